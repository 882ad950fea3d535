//! The network runs here.
