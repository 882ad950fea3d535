//! What people see: page, API, metrics.
