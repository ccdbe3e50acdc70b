//! Certificates for tests.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// A certificate authority with a folder for its files, removed on drop.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub folder: PathBuf,
}

impl Authority {
    /// Creates an authority. Its certificate is `ca.crt` in a folder of this name.
    pub fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("pki-{name}"));
        // It exists only if an earlier run was aborted.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        let mut params = CertificateParams::new([]).expect("it has no names");
        params.distinguished_name.push(DnType::CommonName, format!("the authority of {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("there is randomness");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it can be signed");
        std::fs::write(folder.join("ca.crt"), issuer.pem()).expect("the certificate can be written");
        Self { issuer, folder }
    }

    /// Signs a certificate for these names and writes `NAME.crt` and `NAME.key`.
    pub fn sign(&self, name: &str, sans: &[&str]) {
        let sans: Vec<String> = sans.iter().map(|&san| san.to_owned()).collect();
        let mut params = CertificateParams::new(sans).expect("the names are names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("there is randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("it can be signed");
        std::fs::write(self.folder.join(format!("{name}.crt")), certificate.pem()).expect("it can be written");
        std::fs::write(self.folder.join(format!("{name}.key")), key.serialize_pem()).expect("it can be written");
    }

    /// The path of a file in its folder.
    pub fn path(&self, file: &str) -> String {
        path(&self.folder, file)
    }

    /// Writes a file into its folder, and returns its path.
    pub fn write(&self, file: &str, text: &str) -> String {
        // Replaces the file atomically, as an editor or a kubelet does.
        let draft = self.folder.join(format!("{file}.draft"));
        std::fs::write(&draft, text).expect("it can be written");
        std::fs::rename(&draft, self.folder.join(file)).expect("it can be renamed");
        self.path(file)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn path(folder: &Path, file: &str) -> String {
    folder.join(file).to_str().expect("a path is text").to_owned()
}
