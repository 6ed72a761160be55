//! Each rule on a policy that it finds, and on one that it leaves alone.
