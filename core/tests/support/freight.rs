//! A farm of one machine for freight: a cache folder as the host's, and a depot behind a link.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use framewright_core::data::Asset;
use framewright_core::freight::{
    Fetch, FetchFault, FetchToken, Freight, FreightNews, FreightSpec, FromFreight, Gathered,
    HashCache, Package, PackageError, Throughput, Wishes, measure,
};
use framewright_core::link::Launcher;
use framewright_kernel::ids::HostId;
use tempfile::TempDir;
use tokio::sync::mpsc;

const DEPOT: &str = env!("CARGO_BIN_EXE_depot-for-tests");
const RELAY: &str = env!("CARGO_BIN_EXE_relay-for-tests");
/// Longest wait for anything, on a machine that does much else.
const DEADLINE: Duration = Duration::from_secs(120);

/// Bytes without any order, the same for the same seed.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut content);
    content
}

pub struct World {
    pub folder: TempDir,
    /// The host's cache folder.
    pub cache: PathBuf,
}

/// What a staging came to.
pub struct Staged {
    pub tree: String,
    pub bytes_sent: u64,
    pub bytes_total: u64,
    pub files: usize,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("host/cache");
        std::fs::create_dir_all(&cache).unwrap();
        std::fs::create_dir_all(folder.path().join("relay")).unwrap();
        std::fs::create_dir_all(folder.path().join("state")).unwrap();
        Self { folder, cache }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes into a file, whatever its mode says, as a renderer of the same user may.
    pub fn overwrite(&self, path: &Path, at: u64, content: &[u8]) {
        use std::os::unix::fs::{FileExt, PermissionsExt};
        let before = std::fs::metadata(path).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.write_all_at(content, at).unwrap();
        std::fs::set_permissions(path, before.permissions()).unwrap();
    }

    /// Makes a file an hour old.
    pub fn age(&self, path: &Path) {
        let hour = SystemTime::now() - Duration::from_secs(3600);
        let file = File::options().write(true).open(path).unwrap();
        file.set_times(FileTimes::new().set_modified(hour)).unwrap();
    }

    pub fn try_package(
        &self,
        scene: &Path,
        assets: &[&str],
        patterns: &[&str],
    ) -> Result<Arc<Package>, PackageError> {
        let assets: Vec<Asset> = assets
            .iter()
            .map(|name| Asset {
                path: self.path(name).to_str().unwrap().to_owned(),
                ..Asset::default()
            })
            .collect();
        let patterns: Vec<String> = patterns
            .iter()
            .map(|name| self.path(name).to_str().unwrap().to_owned())
            .collect();
        let wishes = Wishes {
            scene,
            assets: &assets,
            patterns: &patterns,
        };
        Package::gather(wishes, None, &AtomicBool::new(false))
            .map(|gathered| Arc::new(gathered.package))
    }

    pub fn package(&self, scene: &Path, assets: &[&str]) -> Arc<Package> {
        self.try_package(scene, assets, &[]).unwrap()
    }

    pub fn gather(&self, scene: &Path) -> Gathered {
        let wishes = Wishes {
            scene,
            assets: &[],
            patterns: &[],
        };
        let cache = HashCache::at(&self.path("state"));
        Package::gather(wishes, Some(&cache), &AtomicBool::new(false)).unwrap()
    }

    pub fn blob_of(&self, package: &Package, index: usize) -> PathBuf {
        let hash = package.files()[index].fact.blob.to_string();
        self.cache.join("blobs").join(&hash[..2]).join(&hash[2..])
    }

    /// Lets a blob be used so many seconds ago.
    pub fn age_blob(&self, package: &Package, seconds: u64) {
        let then = SystemTime::now() - Duration::from_secs(seconds);
        let file = File::open(self.blob_of(package, 0)).unwrap();
        file.set_times(FileTimes::new().set_accessed(then)).unwrap();
    }

    /// Files in the folders of parts.
    pub fn parts(&self) -> usize {
        let Ok(owners) = std::fs::read_dir(self.cache.join("blobs/parts")) else {
            return 0;
        };
        owners
            .flat_map(|owner| std::fs::read_dir(owner.unwrap().path()).unwrap())
            .filter(|entry| entry.as_ref().unwrap().file_name().len() == 64)
            .count()
    }

    /// Cuts of the coming connections, one each.
    pub fn cut_at(&self, cuts: &[String]) {
        let lines: String = cuts.iter().map(|cut| format!("{cut}\n")).collect();
        std::fs::write(self.path("relay/cuts"), lines).unwrap();
    }

    pub fn cuts_left(&self) -> usize {
        std::fs::read_to_string(self.path("relay/cuts"))
            .unwrap()
            .lines()
            .count()
    }

    /// Bytes that went to the host, connection by connection.
    pub fn passed(&self) -> Vec<u64> {
        let text = std::fs::read_to_string(self.path("relay/up")).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Puts the host's cache on a disk of this size, where this user may.
    pub fn small_disk(&self, bytes: u64) -> Option<SmallDisk> {
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "framewright"])
            .arg(&self.cache)
            .stderr(std::process::Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| SmallDisk(self.cache.clone()))
    }

    pub fn host(&self, name: &str) -> Host {
        self.host_of_job(name, "job0")
    }

    pub fn host_of_job(&self, name: &str, job: &str) -> Host {
        self.reached_by(name, job, vec![DEPOT.to_owned()])
    }

    pub fn relayed(&self, name: &str, job: &str) -> Host {
        let folder = self.path("relay").to_str().unwrap().to_owned();
        self.reached_by(name, job, vec![RELAY.to_owned(), folder, DEPOT.to_owned()])
    }

    pub fn limited(&self, name: &str, bytes: u64) -> Host {
        self.reached_by(name, "job0", vec![DEPOT.to_owned(), bytes.to_string()])
    }

    pub fn capped(&self, name: &str, job: &str, bytes: u64) -> Host {
        self.open(name, job, vec![DEPOT.to_owned()], Some(bytes))
    }

    pub fn reached_by(&self, name: &str, job: &str, argv: Vec<String>) -> Host {
        self.open(name, job, argv, None)
    }

    pub fn measure(&self, bytes: u64) -> Result<Throughput, String> {
        self.measured_by(vec![DEPOT.to_owned()], bytes)
    }

    pub fn measure_relayed(&self, bytes: u64) -> Result<Throughput, String> {
        let folder = self.path("relay").to_str().unwrap().to_owned();
        self.measured_by(vec![RELAY.to_owned(), folder, DEPOT.to_owned()], bytes)
    }

    fn measured_by(&self, argv: Vec<String>, bytes: u64) -> Result<Throughput, String> {
        let spec = self.spec("h", "job0", argv, None);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(measure(&spec, bytes, DEADLINE))
    }

    fn open(&self, name: &str, job: &str, argv: Vec<String>, cache_bytes: Option<u64>) -> Host {
        let (news, told) = mpsc::channel(64);
        let spec = self.spec(name, job, argv, cache_bytes);
        Host {
            freight: Some(Freight::open(spec, news)),
            told,
            away: 0,
            progress: 0,
        }
    }

    fn spec(
        &self,
        name: &str,
        job: &str,
        argv: Vec<String>,
        cache_bytes: Option<u64>,
    ) -> FreightSpec {
        FreightSpec {
            host: HostId(0),
            name: name.to_owned(),
            launcher: Launcher::Command(argv),
            job: job.to_owned(),
            cache_root: self.cache.to_str().unwrap().to_owned(),
            cache_bytes,
            heartbeat: Duration::from_millis(300),
            deadline: Duration::from_secs(30),
        }
    }
}

/// A mounted disk, gone with this value.
pub struct SmallDisk(PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a depot that has just lost its link may still be in it.
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
    }
}

pub struct Host {
    freight: Option<Freight>,
    told: mpsc::Receiver<FromFreight>,
    /// How often it was away, and how often progress was told.
    pub away: u32,
    pub progress: u32,
}

impl Host {
    pub fn freight(&self) -> &Freight {
        self.freight.as_ref().unwrap()
    }

    /// The next news, whatever they are.
    pub fn next(&mut self) -> FreightNews {
        self.try_next().expect("the freight ended")
    }

    fn try_next(&mut self) -> Option<FreightNews> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let told = &mut self.told;
        let news = runtime.block_on(async { tokio::time::timeout(DEADLINE, told.recv()).await });
        news.expect("no news in time").map(|from| from.news)
    }

    /// The next news that is an outcome.
    fn outcome(&mut self) -> FreightNews {
        loop {
            match self.next() {
                FreightNews::Reached { .. } => {}
                FreightNews::Away { .. } => self.away += 1,
                FreightNews::Progress { bytes, bytes_total } => {
                    assert!(bytes <= bytes_total);
                    self.progress += 1;
                }
                outcome => return outcome,
            }
        }
    }

    pub fn stage(&mut self, package: &Arc<Package>, job: &str) -> Staged {
        self.freight().stage(Arc::clone(package), job);
        self.staged()
    }

    pub fn staged(&mut self) -> Staged {
        match self.outcome() {
            FreightNews::Staged {
                tree,
                bytes_sent,
                bytes_total,
                files,
                ..
            } => Staged {
                tree,
                bytes_sent,
                bytes_total,
                files,
            },
            other => panic!("{other:?}"),
        }
    }

    pub fn stage_failed(&mut self) -> (String, bool) {
        match self.outcome() {
            FreightNews::StageFailed { why, disk_full } => (why, disk_full),
            other => panic!("{other:?}"),
        }
    }

    pub fn remove(&mut self, job: &str) {
        self.freight().remove(job);
        match self.outcome() {
            FreightNews::Removed { fault: None, .. } => {}
            other => panic!("{other:?}"),
        }
    }

    pub fn fetch(&self, token: u64, from: &Path, to: &Path, content: &[u8]) {
        self.freight().fetch(Fetch {
            token: FetchToken(token),
            from: from.to_str().unwrap().to_owned(),
            to: to.to_path_buf(),
            bytes: content.len() as u64,
            hash: blake3::hash(content).to_hex().to_string(),
        });
    }

    pub fn all_fetched(&mut self, count: usize) {
        for _ in 0..count {
            match self.outcome() {
                FreightNews::Fetched { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn fetch_failed(&mut self, expected: u64) -> FetchFault {
        match self.outcome() {
            FreightNews::FetchFailed { token, kind, .. } => {
                assert_eq!(token, FetchToken(expected));
                kind
            }
            other => panic!("{other:?}"),
        }
    }

    /// Drops the freight and waits until its depot has ended.
    pub fn close(&mut self) {
        self.freight = None;
        while self.try_next().is_some() {}
    }
}
