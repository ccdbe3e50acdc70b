//! Says what is wrong where credentials cannot be had, and gives none away.

use std::error::Error;

use kube::client::AuthError;

use super::super::error_chain;
use image_pull_model::redact::redact;

/// How much of what a plugin says is quoted.
const MAX_QUOTED_BYTES: usize = 512;

/// What is wrong with the credentials, if that is why a request failed.
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
        // Credentials come out of its standard output, and its arguments and environment may hold some.
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
