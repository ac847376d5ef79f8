//! Tests, from the smallest that can show a fault to the real POV-Ray.

mod bench;
mod exact;
mod guide;
mod logs;
mod reading;
mod real;
