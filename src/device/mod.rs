//! The box itself: telemetry, disk, service manager.

pub mod service_manager;
