//! A modality calls: associations are negotiated and C-STORE requests become durable instances.
