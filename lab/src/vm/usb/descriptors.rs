//! What a device tells of itself.

/// A descriptor: its length, then these bytes.
pub(super) fn descriptor(body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len() + 1).unwrap_or(u8::MAX);
    [&[length], body].concat()
}

/// What every device is asked for; source: USB 2.0, §9.6.
#[derive(Debug)]
pub(super) struct Descriptors {
    device: Vec<u8>,
    configuration: Vec<u8>,
    product: String,
}

/// Speed class of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speed {
    /// 12 Mbit/s: frames of 1 ms.
    Full,
    /// 480 Mbit/s.
    High,
}

const DEVICE: u8 = 1;
const CONFIGURATION: u8 = 2;
const STRING: u8 = 3;

/// Of the Linux Foundation, as the kernel's own gadgets have it.
const VENDOR: u16 = 0x1d6b;

const MANUFACTURER: &str = "Lab Devices Inc.";
const SERIAL: &str = "LAB0001";

impl Descriptors {
    /// `class` is class, subclass and protocol; `interfaces` all descriptors behind that of the configuration.
    pub(super) fn new(
        class: [u8; 3],
        product_id: u16,
        product: &str,
        n_interfaces: u8,
        interfaces: &[u8],
    ) -> Self {
        let [vendor, product_id] = [VENDOR, product_id].map(u16::to_le_bytes);
        let device = [
            &[DEVICE, 0x00, 0x02][..],
            &class,
            // Largest packet of the control endpoint.
            &[64],
            &vendor,
            &product_id,
            // Release, three strings, one configuration.
            &[0x00, 0x01, 1, 2, 3, 1],
        ]
        .concat();
        let total = u16::try_from(9 + interfaces.len())
            .unwrap_or(u16::MAX)
            .to_le_bytes();
        // Powered by the bus, 500 mA.
        let configuration = [
            CONFIGURATION,
            total[0],
            total[1],
            n_interfaces,
            1,
            0,
            0x80,
            250,
        ];
        Self {
            device: descriptor(&device),
            configuration: [&descriptor(&configuration), interfaces].concat(),
            product: product.to_owned(),
        }
    }

    /// The descriptor of a request, not longer than asked for; `None` if there is none.
    pub(super) fn get(&self, value: u16, length: u16) -> Option<Vec<u8>> {
        let [index, kind] = value.to_le_bytes();
        let mut bytes = match kind {
            DEVICE => self.device.clone(),
            CONFIGURATION => self.configuration.clone(),
            STRING => self.string(index)?,
            _ => return None,
        };
        bytes.truncate(usize::from(length));
        Some(bytes)
    }

    fn string(&self, index: u8) -> Option<Vec<u8>> {
        // American English.
        const LANGUAGES: [u8; 3] = [STRING, 0x09, 0x04];
        let text = match index {
            0 => return Some(descriptor(&LANGUAGES)),
            1 => MANUFACTURER,
            2 => &self.product,
            3 => SERIAL,
            _ => return None,
        };
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        let body: Vec<u8> = std::iter::once(STRING).chain(units).collect();
        Some(descriptor(&body))
    }
}
