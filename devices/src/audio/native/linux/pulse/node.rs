//! Sources and sinks of a sound server.

use std::ffi::{CStr, CString};

use pulseaudio::protocol::{
    ChannelMap, Command, GetSinkInfo, GetSourceInfo, SampleSpec, ServerInfo, SinkInfo, SinkState,
    SourceInfo, SourceState, Volume,
};

use super::connection::{Connection, NoAnswer};
use crate::audio::backend::MixerState;
use crate::device::{DeviceInfo, DeviceKind};
use crate::selection::DeviceId;
use crate::signal::view::{Format, SampleRate};

/// The sink that a server makes when there is no other: it leads nowhere.
const DUMMY_SINK: &str = "auto_null";

/// A source or a sink.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// The server's number of it, until it restarts.
    pub(super) index: u32,
    /// Its name, which survives a restart.
    pub(super) name: String,
    /// For people.
    pub(super) description: String,
    /// It gives what a sink plays, or leads nowhere.
    pub(super) is_no_device: bool,
    /// How it stands.
    pub(super) mixer: MixerState,
    spec: SampleSpec,
    map: ChannelMap,
}

impl Node {
    /// The nodes of a kind.
    pub(super) fn list(
        connection: &mut Connection,
        kind: DeviceKind,
    ) -> Result<Vec<Self>, NoAnswer> {
        if kind == DeviceKind::Microphone {
            let sources: Vec<SourceInfo> = connection.ask(&Command::GetSourceInfoList)?;
            return Ok(sources.iter().map(Self::of_source).collect());
        }
        let sinks: Vec<SinkInfo> = connection.ask(&Command::GetSinkInfoList)?;
        Ok(sinks.iter().map(Self::of_sink).collect())
    }

    /// A node by its name.
    pub(super) fn named(
        connection: &mut Connection,
        kind: DeviceKind,
        name: &str,
    ) -> Result<Self, NoAnswer> {
        let name = Some(CString::new(name).map_err(|_nul| NoAnswer::NoEntity)?);
        if kind == DeviceKind::Microphone {
            let question = Command::GetSourceInfo(GetSourceInfo { index: None, name });
            return connection.ask(&question).map(|info| Self::of_source(&info));
        }
        let question = Command::GetSinkInfo(GetSinkInfo { index: None, name });
        connection.ask(&question).map(|info| Self::of_sink(&info))
    }

    fn of_source(info: &SourceInfo) -> Self {
        Self {
            index: info.index,
            name: text(&info.name),
            description: text(info.description.as_deref().unwrap_or(&info.name)),
            is_no_device: info.monitor_of_sink_index.is_some(),
            mixer: MixerState {
                is_muted: info.muted,
                volume: loudest(info.cvolume.channels().iter().map(Volume::as_u32)),
                is_suspended: info.state == SourceState::Suspended,
            },
            spec: info.sample_spec,
            map: info.channel_map,
        }
    }

    fn of_sink(info: &SinkInfo) -> Self {
        let name = text(&info.name);
        Self {
            index: info.index,
            description: text(info.description.as_deref().unwrap_or(&info.name)),
            is_no_device: name == DUMMY_SINK,
            name,
            mixer: MixerState {
                is_muted: info.muted,
                volume: loudest(info.cvolume.channels().iter().map(Volume::as_u32)),
                is_suspended: info.state == SinkState::Suspended,
            },
            spec: info.sample_spec,
            map: info.channel_map,
        }
    }

    /// Rate and channels of a stream of it: its own, or what is nearest that the meters take.
    pub(super) fn format(&self) -> Result<Format, NoAnswer> {
        let rate = SampleRate::new(self.spec.sample_rate.clamp(8_000, 192_000));
        let with = |channels| Format::new(rate?, channels);
        let format = with(usize::from(self.spec.channels)).or_else(|| with(2));
        format.ok_or_else(|| NoAnswer::Other("it has no usable format".to_owned()))
    }

    /// Where the channels of such a stream are.
    pub(super) fn channel_map(&self, format: Format) -> ChannelMap {
        if format.channels() == usize::from(self.spec.channels) {
            return self.map;
        }
        ChannelMap::stereo()
    }

    /// As a device to choose.
    pub(super) fn to_info(&self, kind: DeviceKind, default: Option<&str>) -> DeviceInfo {
        DeviceInfo {
            kind,
            id: DeviceId::new(format!("{}:{}", super::PREFIX, self.name)),
            name: self.description.clone(),
            backend: super::NAME.to_owned(),
            is_default: default == Some(self.name.as_str()),
            is_synthetic: false,
        }
    }
}

/// The name of the default node of a kind.
pub(super) fn default_name(
    connection: &mut Connection,
    kind: DeviceKind,
) -> Result<Option<String>, NoAnswer> {
    let info: ServerInfo = connection.ask(&Command::GetServerInfo)?;
    let name = if kind == DeviceKind::Microphone {
        info.default_source_name
    } else {
        info.default_sink_name
    };
    Ok(name.as_deref().map(text))
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

/// The slider shows the loudest channel; `0x10000` is its mark for full.
///
/// Source: `PA_VOLUME_NORM` in `pulse/volume.h`, `pa_cvolume_max`.
fn loudest(channels: impl Iterator<Item = u32>) -> Option<f64> {
    channels
        .max()
        .map(|volume| f64::from(volume) / f64::from(0x1_0000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slider_shows_the_loudest_channel() {
        assert_eq!(loudest([].into_iter()), None);
        assert_eq!(loudest([0x8000, 0x4000].into_iter()), Some(0.5));
        assert_eq!(loudest([0x1_8000].into_iter()), Some(1.5));
    }
}
