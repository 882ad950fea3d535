//! The box itself: telemetry, disk, service manager.
