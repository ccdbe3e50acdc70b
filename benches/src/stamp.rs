//! Bytes encoded once, of which only a number and a version change from pod to pod.

/// Stands for the number of a pod where it is encoded: found again in the bytes, so it must occur nowhere by chance.
pub const NUMBER: &str = "7707077";
/// Stands for a resourceVersion.
pub const VERSION: &str = "8808088088";

/// Bytes with places for numbers of a fixed width, so that no length in them changes.
pub struct Stamp {
    bytes: Vec<u8>,
    numbers: Vec<usize>,
    versions: Vec<usize>,
}

impl Stamp {
    /// Finds the places.
    pub fn new(bytes: Vec<u8>) -> Self {
        let places = |of: &str| {
            bytes.windows(of.len()).enumerate().filter(|(_, here)| *here == of.as_bytes()).map(|(at, _)| at).collect()
        };
        Self { numbers: places(NUMBER), versions: places(VERSION), bytes }
    }

    /// Returns how many bytes it has.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the bytes, stamped.
    pub fn write(&self, out: &mut Vec<u8>, number: usize, version: u64) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        for (places, width, value) in
            [(&self.numbers, NUMBER.len(), number as u64), (&self.versions, VERSION.len(), version)]
        {
            let digits = format!("{value:0width$}");
            for at in places {
                out[begin + at..begin + at + width].copy_from_slice(digits.as_bytes());
            }
        }
    }
}
