use super::controller::Controller;
impl Controller<'_> {
    pub(super) fn measured_bound(&self) -> Option<f64> {
        None
    }
}
