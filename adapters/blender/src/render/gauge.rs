//! How much of a frame is done, from what Blender says about its view layers.

use crate::lines::LayerAt;

/// Smaller steps are not told.
const STEP_MIN: f32 = 0.01;

/// The progress of one frame; it never goes back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gauge {
    layers: u32,
    finished: u32,
    told: f32,
}

impl Gauge {
    /// Of a frame with this many view layers in use.
    pub fn new(layers: u32) -> Self {
        Gauge {
            layers: layers.max(1),
            finished: 0,
            told: 0.0,
        }
    }

    /// The fraction of the frame, where it is worth telling.
    pub fn see(&mut self, at: LayerAt) -> Option<f32> {
        let inside = match at {
            LayerAt::Somewhere => return None,
            LayerAt::Fraction(fraction) => fraction,
            LayerAt::Finished => {
                self.finished = (self.finished + 1).min(self.layers);
                0.0
            }
        };
        let fraction = ((self.finished as f32 + inside) / self.layers as f32).min(1.0);
        if fraction < self.told + STEP_MIN {
            return None;
        }
        self.told = fraction;
        Some(fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_is_its_share_and_nothing_goes_back() {
        let mut gauge = Gauge::new(2);
        assert_eq!(gauge.see(LayerAt::Fraction(0.5)), Some(0.25));
        assert_eq!(gauge.see(LayerAt::Fraction(0.1)), None);
        assert_eq!(gauge.see(LayerAt::Finished), Some(0.5));
        assert_eq!(gauge.see(LayerAt::Somewhere), None);
        assert_eq!(gauge.see(LayerAt::Fraction(1.0)), Some(1.0));
        assert_eq!(gauge.see(LayerAt::Finished), None);
        assert_eq!(gauge.see(LayerAt::Finished), None);
    }
}
