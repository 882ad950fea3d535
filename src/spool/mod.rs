//! Nothing is lost: instances and jobs on stable storage.
