//! What a user of the appliance would notice, one module each.

fn main() {}
