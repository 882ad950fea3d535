//! Voxels with a place in the world.
