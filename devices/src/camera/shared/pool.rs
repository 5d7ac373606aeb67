//! Memory of frames, used again.

use std::sync::Arc;

use crate::camera::backend::CapturedFrame;
use crate::picture::frame::FrameLayout;

/// Frames whose memory is kept. Readers hold a few at a time; what they hold beyond is allocated
/// and freed.
const KEPT: usize = 8;

/// Frames, some of which readers still hold.
#[derive(Debug)]
pub(super) struct Pool {
    layout: FrameLayout,
    kept: Vec<Arc<CapturedFrame>>,
}

impl Pool {
    pub(super) fn new(layout: FrameLayout) -> Self {
        let kept = Vec::with_capacity(KEPT);
        Self { layout, kept }
    }

    /// A frame that nobody else holds.
    pub(super) fn take(&mut self) -> CapturedFrame {
        let free = self
            .kept
            .iter()
            .position(|frame| Arc::strong_count(frame) == 1);
        let free = free.map(|at| self.kept.swap_remove(at));
        // Nobody but the pool can clone it, so that it stays the only one.
        free.and_then(Arc::into_inner)
            .unwrap_or_else(|| CapturedFrame::blank(self.layout))
    }

    /// Makes a frame one that can be shared, and remembers it to use its memory again.
    pub(super) fn share(&mut self, frame: CapturedFrame) -> Arc<CapturedFrame> {
        let frame = Arc::new(frame);
        if self.kept.len() < KEPT {
            self.kept.push(Arc::clone(&frame));
        }
        frame
    }

    /// Takes back a frame that was not used.
    pub(super) fn put_back(&mut self, frame: CapturedFrame) {
        drop(self.share(frame));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::frame::{PixelFormat, Resolution};

    fn pool() -> Pool {
        let resolution = Resolution::new(4, 4).unwrap();
        Pool::new(FrameLayout::new(PixelFormat::Grey, resolution, None).unwrap())
    }

    fn shared(pool: &mut Pool) -> Arc<CapturedFrame> {
        let mut frame = pool.take();
        frame.refill(pool.layout, &[7; 16]);
        pool.share(frame)
    }

    #[test]
    fn memory_is_used_again_once_no_reader_holds_it() {
        let mut pool = pool();
        let first = shared(&mut pool);
        let address = first.data().as_ptr();
        let second = shared(&mut pool);
        assert_ne!(second.data().as_ptr(), address);
        drop(first);
        let third = shared(&mut pool);
        assert_eq!(third.data().as_ptr(), address);
    }

    #[test]
    fn a_reader_that_keeps_all_does_not_fill_the_pool() {
        let mut pool = pool();
        let held: Vec<_> = (0..50).map(|_| shared(&mut pool)).collect();
        assert_eq!(pool.kept.len(), KEPT);
        drop(held);
        let frame = pool.take();
        assert_eq!(frame.data().len(), 16);
        assert_eq!(pool.kept.len(), KEPT - 1);
    }
}
