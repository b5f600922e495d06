//! Files of an open zip as files of their own: each a window of the same bytes, none copied.
//!
//! The windows of one zip share it behind a lock and each keeps its own place, so that they may be read in turns, by
//! whoever holds them, for as long as they like.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use crate::archive::ReadSeek;

/// A zip that several windows look into.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Box<dyn ReadSeek>>>);

impl Shared {
    pub(super) fn new(zip: Box<dyn ReadSeek>) -> Self {
        Self(Arc::new(Mutex::new(zip)))
    }

    /// So many bytes from `start` on.
    pub(super) fn window(&self, start: u64, bytes: u64) -> Window {
        Window { zip: self.clone(), start, bytes, at: 0 }
    }
}

/// A part of a zip.
pub(super) struct Window {
    zip: Shared,
    start: u64,
    bytes: u64,
    at: u64,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.bytes.saturating_sub(self.at);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..length).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        // A reader that panicked has left nothing behind: every read seeks first.
        let mut zip = self.zip.0.lock().unwrap_or_else(PoisonError::into_inner);
        zip.seek(SeekFrom::Start(self.start.saturating_add(self.at)))?;
        let read = zip.read(buffer)?;
        if read == 0 {
            // Its headers were in the file when it was opened: somebody has cut it since.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn windows_are_read_in_turns_and_show_nothing_else() {
        let shared = Shared::new(Box::new(Cursor::new(b"abcdefghij".to_vec())));
        let (mut first, mut second) = (shared.window(0, 3), shared.window(5, 4));
        let mut byte = [0];
        first.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"a");
        second.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"f");
        let mut rest = String::new();
        first.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "bc");
        assert_eq!(second.seek(SeekFrom::End(-1)).unwrap(), 3);
        second.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "bci");
        assert_eq!(second.seek(SeekFrom::Start(99)).unwrap(), 99);
        assert_eq!(second.read(&mut byte).unwrap(), 0);
        assert!(second.seek(SeekFrom::Current(-100)).is_err());
    }

    #[test]
    fn a_window_beyond_the_end_is_an_error() {
        let shared = Shared::new(Box::new(Cursor::new(b"abc".to_vec())));
        let mut all = Vec::new();
        let error = shared.window(1, 9).read_to_end(&mut all).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
