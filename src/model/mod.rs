//! What a model bundle promises.
