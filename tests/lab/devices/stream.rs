//! What a camera gives, as `v4l2-ctl` sees it.

use std::time::Duration;

use greenroom_lab::vm::{Machine, Output, Task};

/// How long the pictures may take that a test asks for.
const LIMIT: Duration = Duration::from_secs(20);

/// How often it is looked for pictures.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// So long without a picture is the end of them: cameras give 15 a second or more.
const QUIET: Duration = Duration::from_millis(800);

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) n_bytes: usize,
    /// The driver's stamp.
    pub(crate) at_s: f64,
    /// The driver says that it is damaged.
    pub(crate) is_damaged: bool,
}

/// A program that takes pictures.
#[derive(Debug)]
pub(crate) struct Stream<'m> {
    machine: &'m Machine,
    task: Task<'m>,
}

impl<'m> Stream<'m> {
    /// Takes this many pictures of `/dev/video0` in a format, `YUYV` or `MJPG`, of 640×480, at the highest rate that
    /// the camera has for them.
    pub(crate) fn start(machine: &'m Machine, format: &str, n_frames: u32) -> Self {
        // The pictures themselves stay in the machine, where `last_picture` looks.
        let script = format!(
            "v4l2-ctl -d /dev/video0 --set-fmt-video=width=640,height=480,pixelformat={format} \
            --set-parm=30 --stream-mmap=4 --stream-count={n_frames} --verbose --stream-to=/run/pictures"
        );
        let task = machine.start(&script).unwrap();
        Self { machine, task }
    }

    /// Waits for the first picture.
    pub(crate) fn flowing(self) -> Self {
        let until = std::time::Instant::now() + LIMIT;
        while frames(&self.text()).is_empty() {
            let ended = self.task.status().unwrap();
            assert_eq!(ended, None, "{}", self.text());
            assert!(std::time::Instant::now() < until, "{}", self.text());
            std::thread::sleep(LOOK_EVERY);
        }
        self
    }

    /// Waits for a picture that the driver says is damaged.
    pub(crate) fn wait_for_damage(&self) {
        let until = std::time::Instant::now() + LIMIT;
        while !frames(&self.text()).iter().any(|frame| frame.is_damaged) {
            assert!(std::time::Instant::now() < until, "{}", self.text());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until no picture comes any more; how many there were.
    #[track_caller]
    pub(crate) fn assert_stalls(&self) -> usize {
        let until = std::time::Instant::now() + LIMIT;
        let mut last = (self.n_frames(), std::time::Instant::now());
        while last.1.elapsed() < QUIET {
            assert!(std::time::Instant::now() < until, "{}", self.text());
            std::thread::sleep(LOOK_EVERY);
            let n_frames = self.n_frames();
            if n_frames != last.0 {
                last = (n_frames, std::time::Instant::now());
            }
        }
        last.0
    }

    fn n_frames(&self) -> usize {
        frames(&self.text()).len()
    }

    /// Waits for the end of the program: its pictures and how it ended.
    pub(crate) fn finish(self) -> (Vec<Frame>, Output) {
        let output = self.task.wait(LIMIT).unwrap_or_else(|e| panic!("{e}"));
        let text = format!("{}{}", output.stdout, output.stderr);
        (frames(&text), output)
    }

    /// Waits until the program ends before it has all pictures; how its tool words that depends on where it was. Gives
    /// those that came.
    pub(crate) fn assert_cut_short(self) -> Vec<Frame> {
        let (frames, output) = self.finish();
        assert!(output.status != 0 || frames.len() < 1000, "{output:?}");
        assert!(
            output.stderr.contains("failed") || output.stderr.contains("error"),
            "{output:?}"
        );
        frames
    }

    /// Waits for the end and gives all pictures, which must have come.
    pub(crate) fn frames(self) -> Vec<Frame> {
        let (frames, output) = self.finish();
        assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
        frames
    }

    /// Waits for the end and gives a digest of each of the last pictures of this many bytes.
    pub(crate) fn digests(self, n_bytes: usize, n_last: usize) -> Vec<String> {
        let machine = self.machine;
        self.frames();
        let script = format!(
            "tail -c {} /run/pictures | split -b {n_bytes} --filter=md5sum",
            n_bytes * n_last
        );
        let digests = machine.run_ok(&script).unwrap();
        digests.lines().map(str::to_owned).collect()
    }

    fn text(&self) -> String {
        format!("{}{}", self.task.stdout(), self.task.stderr())
    }
}

/// Pictures a second, by the driver's stamps.
pub(crate) fn frame_rate(frames: &[Frame]) -> f64 {
    let (first, last) = (frames.first().unwrap(), frames.last().unwrap());
    (frames.len() - 1) as f64 / (last.at_s - first.at_s)
}

/// Reads lines like `cap dqbuf: 1 seq: 69 bytesused: 6430 ts: 5.401948 delta: 33.076 ms`.
fn frames(text: &str) -> Vec<Frame> {
    let lines = text.lines().filter(|line| line.starts_with("cap dqbuf:"));
    lines.filter_map(frame).collect()
}

fn frame(line: &str) -> Option<Frame> {
    let after = |key: &str| {
        let rest = line.split_once(key)?.1;
        rest.split_whitespace().next()
    };
    Some(Frame {
        n_bytes: after("bytesused:")?.parse().ok()?,
        at_s: after(" ts:")?.parse().ok()?,
        is_damaged: line.contains("error"),
    })
}
