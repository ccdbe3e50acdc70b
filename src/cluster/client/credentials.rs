//! Describes credential errors without revealing credentials.

use std::error::Error;

use kube::client::AuthError;

use crate::cluster::error_chain::error_chain;
use image_pull_model::redact::redact;

/// Maximum length of quoted output of a credential plugin.
const MAX_QUOTED_BYTES: usize = 512;

/// Returns the description of the credential error that made a request fail, if that is the reason.
pub(in crate::cluster) fn credentials_error(error: &kube::Error) -> Option<String> {
    let mut next: Option<&(dyn Error + 'static)> = match error {
        kube::Error::Auth(error) => Some(error),
        kube::Error::Service(error) => Some(&**error),
        _ => None,
    };
    while let Some(error) = next {
        if let Some(problem) = error.downcast_ref::<AuthError>() {
            return Some(describe_auth_error(problem));
        }
        next = error.source();
    }
    None
}

fn describe_auth_error(problem: &AuthError) -> String {
    match problem {
        // Quote standard error only: standard output, arguments and environment may contain credentials.
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
            let said = redact(&said);
            let said = said.get(..said.floor_char_boundary(MAX_QUOTED_BYTES)).unwrap_or_default();
            format!("the credential plugin of the kubeconfig failed ({}): {said}", out.status)
        }
        AuthError::AuthExecParse(_) => "the credential plugin of the kubeconfig printed no ExecCredential".to_owned(),
        problem => redact(&error_chain(problem)).into_owned(),
    }
}
