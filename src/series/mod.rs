//! Which series are ours, and when one is complete.
