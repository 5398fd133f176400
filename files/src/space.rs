//! What a file system can still hold, and of what kind it is.

use std::path::Path;

use rustix::io::Errno;

use crate::error::FileError;

/// Whether a file system is on this machine, where locks and shared memory can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsKind {
    /// On a disk or in the memory of this machine.
    Local,
    /// Behind a network or a process, by its name.
    Network(&'static str),
    /// Not known; most likely local and new.
    Unknown,
}

impl FsKind {
    /// The kind by the number that Linux gives in `statfs` (`f_type`, of which 32 bits count): the
    /// constants of `linux/magic.h` and of the file systems' own sources.
    #[must_use]
    pub const fn from_magic(magic: u32) -> Self {
        match magic {
            0x6969 => Self::Network("nfs"),
            0x517B => Self::Network("smb"),
            0xFF53_4D42 => Self::Network("cifs"),
            0xFE53_4D42 => Self::Network("smb2"),
            0x6573_5546 => Self::Network("fuse"),
            0x0102_1997 => Self::Network("9p"),
            0x5346_414F | 0x6B41_4653 => Self::Network("afs"),
            0x7375_7245 => Self::Network("coda"),
            0x564C => Self::Network("ncp"),
            0x00C3_6400 => Self::Network("ceph"),
            0x0BD0_0BD0 => Self::Network("lustre"),
            0x4750_4653 => Self::Network("gpfs"),
            0x0116_1970 => Self::Network("gfs2"),
            0x7461_636F => Self::Network("ocfs2"),
            0x2030_3528 => Self::Network("orangefs"),
            0x786F_4256 => Self::Network("vboxsf"),
            0xEF53 // ext2, ext3, ext4
            | 0x5846_5342 // xfs
            | 0x9123_683E // btrfs
            | 0xCA45_1A4E // bcachefs
            | 0x2FC1_2FC1 // zfs
            | 0xF2F5_2010 // f2fs
            | 0x0102_1994 // tmpfs
            | 0x8584_58F6 // ramfs
            | 0x794C_7630 // overlayfs
            | 0x5265_4973 // reiserfs
            | 0x3153_464A // jfs
            | 0x3434 // nilfs2
            | 0x2405_1905 // ubifs
            | 0xF15F // ecryptfs
            | 0x4D44 // vfat
            | 0x2011_BAB0 // exfat
            | 0x7366_746E // ntfs3
            | 0x5346_544E // ntfs
            | 0x482B // hfs+
            | 0x9660 // iso9660
            | 0x1501_3346 // udf
            | 0x7371_7368 // squashfs
            | 0xE0F5_E1E2 // erofs
            => Self::Local,
            _ => Self::Unknown,
        }
    }
}

/// The bytes that this account may still write to the file system on which `path` lies, or would.
///
/// # Errors
/// [`FileError::Denied`] or [`FileError::Io`].
pub fn free_bytes(path: &Path) -> Result<u64, FileError> {
    let found = nearest(path, |there| rustix::fs::statvfs(there))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The bytes that this process may write to one file, where that is limited (`ulimit -f`).
#[must_use]
pub fn size_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

/// The kind of the file system on which `path` lies, or would. Always [`FsKind::Unknown`] where the
/// system has no numbers for it.
///
/// # Errors
/// As [`free_bytes`].
pub fn fs_kind(path: &Path) -> Result<FsKind, FileError> {
    #[cfg(target_os = "linux")]
    {
        let found = nearest(path, |there| rustix::fs::statfs(there))?;
        // Some machines sign-extend the number; its low half is what the constants say.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "only 32 bits count"
        )]
        Ok(FsKind::from_magic(found.f_type as u32))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        Ok(FsKind::Unknown)
    }
}

/// Asks about `path`, or the nearest folder above that is there.
fn nearest<T>(path: &Path, ask: impl Fn(&Path) -> rustix::io::Result<T>) -> Result<T, FileError> {
    for there in path.ancestors() {
        let there = if there == Path::new("") {
            Path::new(".")
        } else {
            there
        };
        match ask(there) {
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            // Not through the translation, which would ask for free bytes again.
            Err(errno) => {
                return Err(FileError::Io {
                    path: path.to_owned(),
                    doing: "ask for the file system of",
                    source: errno.into(),
                });
            }
            Ok(found) => return Ok(found),
        }
    }
    Err(FileError::Missing {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_behind_a_network_or_a_process_are_known() {
        for (magic, name) in [
            (0x6969, "nfs"),
            (0x517B, "smb"),
            (0xFF53_4D42, "cifs"),
            (0xFE53_4D42, "smb2"),
            (0x6573_5546, "fuse"),
            (0x0102_1997, "9p"),
            (0x5346_414F, "afs"),
            (0x6B41_4653, "afs"),
            (0x7375_7245, "coda"),
            (0x00C3_6400, "ceph"),
        ] {
            assert_eq!(FsKind::from_magic(magic), FsKind::Network(name));
        }
    }

    #[test]
    fn disks_and_memory_are_local() {
        for magic in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630] {
            assert_eq!(FsKind::from_magic(magic), FsKind::Local);
        }
    }

    #[test]
    fn a_number_never_seen_is_unknown() {
        assert_eq!(FsKind::from_magic(0), FsKind::Unknown);
        assert_eq!(FsKind::from_magic(0x1234_5678), FsKind::Unknown);
    }

    #[test]
    fn a_path_that_is_not_there_yet_is_judged_by_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let planned = folder.path().join("a/b/queue.db");
        assert!(free_bytes(&planned).unwrap() > 0);
        assert_eq!(fs_kind(&planned).unwrap(), fs_kind(folder.path()).unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_file_system_is_no_disk() {
        assert_eq!(fs_kind(Path::new("/proc")).unwrap(), FsKind::Unknown);
    }
}
