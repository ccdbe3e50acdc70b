//! Templates of encoded pods: only a number and a version differ between pods.

/// The placeholder of the pod's number in the encoded bytes. It must not occur by chance.
pub const NUMBER: &str = "7707077";
/// The placeholder of the resourceVersion.
pub const VERSION: &str = "8808088088";

/// Bytes with placeholders of fixed width, so that no encoded length changes.
pub struct Stamp {
    bytes: Vec<u8>,
    numbers: Vec<usize>,
    versions: Vec<usize>,
}

impl Stamp {
    /// Finds the placeholders.
    pub fn new(bytes: Vec<u8>) -> Self {
        let places = |of: &str| {
            bytes.windows(of.len()).enumerate().filter(|(_, here)| *here == of.as_bytes()).map(|(at, _)| at).collect()
        };
        Self { numbers: places(NUMBER), versions: places(VERSION), bytes }
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the bytes with the placeholders replaced.
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
