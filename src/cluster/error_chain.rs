//! Formats errors for logs. Hand-written because anyhow's `{:#}` repeats sources that are already part of the message.

/// Formats an error and its sources in one line. Omits sources whose text is already part of the message.
pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}
