//! The features of the processor: those that a component was compiled for, and those of this
//! machine.

/// The features in `listed` that this machine lacks. A feature of a later gopiper-abi passes.
pub(crate) fn missing(listed: &str) -> Vec<&str> {
    listed.split_whitespace().filter(|feature| is_here(feature) == Some(false)).collect()
}

/// `None` if this gopiper does not know the feature.
fn is_here(feature: &str) -> Option<bool> {
    macro_rules! known {
        ($is_detected:ident: $($name:tt)+) => {
            match feature {
                $($name => Some(std::arch::$is_detected!($name)),)+
                _ => None,
            }
        };
    }
    #[cfg(target_arch = "x86_64")]
    return known!(is_x86_feature_detected:
        "sse3" "ssse3" "sse4.1" "sse4.2" "sse4a" "popcnt" "avx" "avx2" "bmi1" "bmi2" "fma"
        "f16c" "lzcnt" "movbe" "adx" "tbm" "aes" "vaes" "pclmulqdq" "vpclmulqdq" "gfni"
        "sha" "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512bf16"
        "avx512bitalg" "avx512ifma" "avx512vbmi" "avx512vbmi2" "avx512vnni"
        "avx512vp2intersect" "avx512vpopcntdq");
    #[cfg(target_arch = "aarch64")]
    return known!(is_aarch64_feature_detected:
        "aes" "crc" "dotprod" "fp16" "lse" "rcpc" "rdm" "sha2" "sve" "sve2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_that_a_component_may_list_is_known() {
        let unknown: Vec<_> = gopiper_abi::compiled_for!()
            .iter()
            .map(|(feature, _)| *feature)
            .filter(|feature| is_here(feature).is_none())
            .collect();
        // Those of the other machine.
        #[cfg(target_arch = "x86_64")]
        assert_eq!(
            unknown,
            ["crc", "dotprod", "fp16", "lse", "rcpc", "rdm", "sha2", "sve", "sve2"]
        );
        #[cfg(target_arch = "aarch64")]
        assert!(unknown.contains(&"sse3") && !unknown.contains(&"lse"), "{unknown:?}");
    }

    #[test]
    fn a_feature_is_missing_if_it_is_known_and_not_here() {
        assert_eq!(missing(""), [""; 0]);
        assert_eq!(missing("a-later-one"), [""; 0]);
        #[cfg(target_arch = "x86_64")]
        {
            // The processor of 2006 had the first.
            assert_eq!(is_here("sse3"), Some(true));
            let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap();
            let has = |flag: &str| cpus.split_whitespace().any(|word| word == flag);
            for (feature, flag) in
                [("avx2", "avx2"), ("avx512f", "avx512f"), ("lzcnt", "abm"), ("sha", "sha_ni")]
            {
                assert_eq!(missing(feature).is_empty(), has(flag), "{feature}");
            }
        }
    }
}
