//! How each system installs a part: one row per part, one column per package manager.

use super::{Need, Remedy, npm};

/// The package manager that this machine has, and who asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct System {
    pub family: Family,
    pub user: User,
}

/// Systems whose way is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Debian,
    /// As Debian, but its chromium packages are the snap.
    Ubuntu,
    Fedora,
    Arch,
    Mac,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    Root,
    Ordinary,
}

impl System {
    pub fn of_this_machine() -> System {
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let family = if cfg!(target_os = "macos") { Family::Mac } else { family(&release) };
        let user = if nix::unistd::geteuid().is_root() { User::Root } else { User::Ordinary };
        System { family, user }
    }

    /// The way to a part on this system.
    pub fn remedy(&self, need: Need) -> Remedy {
        match (need, self.family) {
            (Need::Nextest, _) => Remedy::Run(vec!["cargo", "install", "cargo-nextest", "--locked"]),
            (Need::CargoMutants, _) => Remedy::Run(vec!["cargo", "install", "cargo-mutants", "--locked"]),
            (Need::WasmTarget, _) => Remedy::Run(vec!["rustup", "target", "add", super::WASM]),
            (Need::Ffmpeg, Family::Debian | Family::Ubuntu) => Remedy::Packages(vec!["ffmpeg"]),
            (Need::Ffmpeg, Family::Fedora) => {
                Remedy::Tell("sudo dnf install ffmpeg-free   (or ffmpeg from RPM Fusion, for H.264)")
            }
            (Need::Ffmpeg, Family::Arch) => Remedy::Tell("sudo pacman -S ffmpeg"),
            (Need::Ffmpeg, Family::Mac) => Remedy::Tell("brew install ffmpeg"),
            (Need::Ffmpeg, Family::Other) => Remedy::Tell("install ffmpeg with libx264, and ffprobe"),
            (Need::Npm, Family::Debian | Family::Ubuntu) => Remedy::Packages(vec!["npm"]),
            (Need::Npm, _) => Remedy::Tell("install Node.js 18 or later with npm"),
            (Need::NpmPlayers, _) => Remedy::Run(npm::install(npm::PLAYERS)),
            (Need::PlayerTools, _) => Remedy::Run(npm::install(npm::PLAYER_TOOLS)),
            (Need::Bundler, _) => Remedy::Run(npm::install(npm::BUNDLER)),
            (Need::Java, Family::Debian | Family::Ubuntu) => {
                Remedy::Packages(vec!["openjdk-17-jre-headless"])
            }
            (Need::Java, _) => Remedy::Tell("install a Java runtime of version 11 or later"),
            (Need::Grid, _) => Remedy::Run(npm::install(npm::GRID)),
            (Need::Engine("chromium"), family) => chromium(family),
            (Need::Engine("firefox"), family) => firefox(family),
            (Need::Engine("webkitgtk"), Family::Debian) => Remedy::Packages(vec![
                "webkit2gtk-driver",
                "gstreamer1.0-libav",
                "gstreamer1.0-plugins-bad",
                "gstreamer1.0-gl",
                "xvfb",
            ]),
            (Need::Engine("wpe"), Family::Debian) => Remedy::Packages(vec![
                "cog",
                "wpewebkit-driver",
                "libwpewebkit-1.1-0",
                "gstreamer1.0-plugins-base",
                "gstreamer1.0-plugins-good",
                "gstreamer1.0-plugins-bad",
                "gstreamer1.0-gl",
                "gstreamer1.0-libav",
            ]),
            (Need::Engine("webkitgtk" | "wpe"), _) => Remedy::Tell(
                "where Debian 12 puts it is known and nothing else: name browser and driver by SEGPROOF_WEBKITGTK \
                 and SEGPROOF_WEBKITGTK_DRIVER (or _WPE)",
            ),
            (Need::Engine(_), _) => Remedy::Tell("there is no such engine"),
        }
    }

    /// The commands that carry out the remedies, all packages in one.
    pub fn commands(&self, remedies: &[Remedy]) -> Vec<Vec<String>> {
        let mut packages: Vec<&str> = Vec::new();
        let mut runs = Vec::new();
        for remedy in remedies.iter().flat_map(Remedy::parts) {
            match remedy {
                Remedy::Packages(names) => packages.extend(names),
                Remedy::Run(words) => runs.push(words.iter().map(|word| word.to_string()).collect()),
                Remedy::Tell(_) | Remedy::All(_) => {}
            }
        }
        let mut commands = Vec::new();
        if !packages.is_empty() {
            commands.push(self.apt(&["update"]));
            packages.splice(0..0, ["install", "-y", "--no-install-recommends"]);
            commands.push(self.apt(&packages));
        }
        commands.extend(runs);
        commands
    }

    fn apt(&self, arguments: &[&str]) -> Vec<String> {
        let sudo: &[&str] = if self.user == User::Root { &[] } else { &["sudo"] };
        // Set by `env`, since sudo does not hand the caller's environment on.
        let words = sudo.iter().chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]).chain(arguments);
        words.map(|word| word.to_string()).collect()
    }
}

fn firefox(family: Family) -> Remedy {
    match family {
        Family::Debian => Remedy::All(vec![
            // H.264 and AAC come from libavcodec.
            Remedy::Packages(vec!["firefox-esr", "libavcodec59"]),
            Remedy::Run(vec!["cargo", "install", "geckodriver", "--locked"]),
        ]),
        _ => Remedy::Tell(
            "install Firefox that is no snap, and geckodriver (cargo install geckodriver --locked); if they are not in \
             PATH, name them by SEGPROOF_FIREFOX and SEGPROOF_FIREFOX_DRIVER",
        ),
    }
}

fn chromium(family: Family) -> Remedy {
    match family {
        Family::Debian => Remedy::Packages(vec!["chromium", "chromium-driver"]),
        Family::Ubuntu => Remedy::Tell(
            "Ubuntu's chromium packages are the snap, which cannot use a profile in a temporary folder. Install \
             Google Chrome or a Chromium that is no snap, and the chromedriver of the same version; if they are \
             not in PATH, name them by SEGPROOF_CHROMIUM and SEGPROOF_CHROMIUM_DRIVER",
        ),
        Family::Fedora => Remedy::Tell("sudo dnf install chromium chromedriver"),
        Family::Arch => Remedy::Tell("sudo pacman -S chromium   (brings chromedriver)"),
        Family::Mac => Remedy::Tell("brew install --cask google-chrome chromedriver"),
        Family::Other => Remedy::Tell(
            "install Chromium and the chromedriver of the same version; if they are not in PATH, name them by \
             SEGPROOF_CHROMIUM and SEGPROOF_CHROMIUM_DRIVER",
        ),
    }
}

/// The family by the words of /etc/os-release: the system itself, else the first known one it is like.
fn family(release: &str) -> Family {
    let value = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let names = format!("{} {}", value("ID"), value("ID_LIKE"));
    let known = names.split_whitespace().find_map(|name| match name {
        "ubuntu" => Some(Family::Ubuntu),
        "debian" => Some(Family::Debian),
        "fedora" | "rhel" => Some(Family::Fedora),
        "arch" => Some(Family::Arch),
        _ => None,
    });
    known.unwrap_or(Family::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_told_apart() {
        assert_eq!(family("NAME=\"Debian GNU/Linux\"\nID=debian\n"), Family::Debian);
        assert_eq!(family("ID=ubuntu\nID_LIKE=debian\n"), Family::Ubuntu);
        assert_eq!(family("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Family::Ubuntu);
        assert_eq!(family("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), Family::Fedora);
        assert_eq!(family(""), Family::Other);
    }

    #[test]
    fn packages_are_installed_by_one_command_after_an_update() {
        let debian = System { family: Family::Debian, user: User::Ordinary };
        let needs = [Need::Engine("chromium"), Need::Nextest, Need::Ffmpeg];
        let remedies: Vec<Remedy> = needs.into_iter().map(|need| debian.remedy(need)).collect();
        let commands: Vec<String> = debian.commands(&remedies).iter().map(|words| words.join(" ")).collect();
        assert_eq!(
            commands,
            [
                "sudo env DEBIAN_FRONTEND=noninteractive apt-get update",
                "sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
                 chromium chromium-driver ffmpeg",
                "cargo install cargo-nextest --locked",
            ]
        );
        let root = System { family: Family::Debian, user: User::Root };
        assert_eq!(root.commands(&remedies)[0][0], "env");
    }
}
