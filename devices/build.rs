//! Translates the header of libvpx, for the feature `codec`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "codec")]
    vpx::translate();
}

#[cfg(feature = "codec")]
mod vpx {
    use std::path::PathBuf;

    const HEADERS: &str = "
        #include <vpx/vpx_decoder.h>
        #include <vpx/vpx_encoder.h>
        #include <vpx/vp8cx.h>
        #include <vpx/vp8dx.h>
    ";
    /// What is called; types follow from it.
    const FUNCTIONS: [&str; 15] = [
        "vpx_codec_control_",
        "vpx_codec_dec_init_ver",
        "vpx_codec_decode",
        "vpx_codec_destroy",
        "vpx_codec_enc_config_default",
        "vpx_codec_enc_config_set",
        "vpx_codec_enc_init_ver",
        "vpx_codec_encode",
        "vpx_codec_err_to_string",
        "vpx_codec_error_detail",
        "vpx_codec_get_cx_data",
        "vpx_codec_get_frame",
        "vpx_codec_peek_stream_info",
        "vpx_codec_vp8_[cd]x",
        "vpx_img_wrap",
    ];

    /// Always from the header that is linked, since its structures differ from version to version.
    pub(super) fn translate() {
        let library = pkg_config::Config::new()
            .atleast_version("1.8")
            .probe("vpx")
            .expect("libvpx and its headers are needed (Debian: libvpx-dev)");
        let includes = library.include_paths.iter();
        let mut builder = bindgen::builder()
            .header_contents("vpx.h", HEADERS)
            .clang_args(includes.map(|path| format!("-I{}", path.display())))
            .allowlist_type("vp8e_enc_control_id")
            .allowlist_var("VPX_(DL|EFLAG|FRAME)_.*|VPX_.*_ABI_VERSION")
            .rust_edition(bindgen::RustEdition::Edition2024)
            .layout_tests(false)
            .generate_comments(false);
        for function in FUNCTIONS {
            builder = builder.allowlist_function(function);
        }
        let directory = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
        builder
            .generate()
            .expect("libclang and its headers are needed (Debian: libclang-dev)")
            .write_to_file(directory.join("vpx.rs"))
            .expect("cargo made the folder");
    }
}
