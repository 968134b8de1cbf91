// A value of this text, which is not copied.
static inline gopiper_value gopiper_text(const char *text) {
  gopiper_value value;
  // Each field, for `{ 0 }` is the first member of a union alone: gcc 15 leaves the rest as it was.
  value.kind = GOPIPER_TEXT;
  value.content.bytes.data = (const uint8_t *)text;
  value.content.bytes.length = 0;
  while (text[value.content.bytes.length]) value.content.bytes.length++;
  return value;
}

// From C++ the functions can be called. The table and this macro are for a file of C.
#ifndef __cplusplus
// Makes a component of a table of callbacks: once in a file, outside of functions. `kind` is
// GOPIPER_SOURCE, GOPIPER_TRANSFORM or GOPIPER_SINK, `name` and `version` are string literals, of
// 63 and 31 bytes at most.
//
//   static const gopiper_component upper = { .documentation = "Upper case.", .handle = handle };
//   GOPIPER_COMPONENT(GOPIPER_TRANSFORM, "upper", "1.0.0", upper)
//
// It writes three things: the ELF note that the host reads before any code of the file runs, the
// name by which the static library finds the component, and a reference that takes the file's entry
// out of that library.
#define GOPIPER_COMPONENT(kind, name, version, component)                                          \
  _Static_assert(sizeof(name) > 1 && sizeof(name) <= 64, "the name has 1 to 63 bytes");            \
  _Static_assert(sizeof(version) <= 32, "the version has 31 bytes at most");                       \
  __attribute__((section(".note.gopiper"), used, aligned(4)))                                      \
  static const gopiper_note_ gopiper_note_of_this_file_ = {                                        \
    8, sizeof(gopiper_note_) - 20, 2, "gopiper", (kind), 1, GOPIPER_LAYOUT_, name, version,        \
    GOPIPER_INTERFACE_VERSION, GOPIPER_TARGET_, GOPIPER_COMPILER_, GOPIPER_CPU_, { 0 }             \
  };                                                                                               \
  const gopiper_exported gopiper_exported_component_ = { name, version, (kind), &(component) };    \
  extern const char _1as_0lib_1header_0root_bmodule_bloader[];                                     \
  __attribute__((used))                                                                            \
  static const void *const gopiper_entry_of_this_file_ = _1as_0lib_1header_0root_bmodule_bloader;
#endif

// From here on: definitions for GOPIPER_COMPONENT.

typedef struct gopiper_note_ {
  uint32_t owner_size, description_size, note_type;
  char owner[8];
  uint32_t kind;
  uint32_t panic; // 1: the Rust in the static library unwinds, to its fences and no further
  uint8_t layout[8];
  char name[64], version[32], interface_version[32], target[64], compiler[64];
  char cpu[320]; // the features of the processor that its code uses
  uint8_t digest[32]; // gopiper verify --seal
} gopiper_note_;

#define GOPIPER_NUMBER_(number) GOPIPER_NUMBER_AS_IT_IS_(number)
#define GOPIPER_NUMBER_AS_IT_IS_(number) #number
#define GOPIPER_THREE_NUMBERS_(a, b, c)                                                            \
  GOPIPER_NUMBER_(a) "." GOPIPER_NUMBER_(b) "." GOPIPER_NUMBER_(c)
#if defined(__clang__)
#define GOPIPER_COMPILER_                                                                          \
  "clang " GOPIPER_THREE_NUMBERS_(__clang_major__, __clang_minor__, __clang_patchlevel__)
#elif defined(__GNUC__)
#define GOPIPER_COMPILER_                                                                          \
  "gcc " GOPIPER_THREE_NUMBERS_(__GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__)
#else
#error "components in C are compiled by gcc or clang"
#endif

#if defined(__x86_64__)
#define GOPIPER_MACHINE_ "x86_64"
#elif defined(__aarch64__)
#define GOPIPER_MACHINE_ "aarch64"
#else
#error "components are for x86_64 and aarch64"
#endif
#if !defined(__linux__)
#error "components are for Linux"
#endif
// stdint.h has said which C library this is, if it is glibc.
#if defined(__GLIBC__)
#define GOPIPER_TARGET_ GOPIPER_MACHINE_ "-unknown-linux-gnu"
#else
#define GOPIPER_TARGET_ GOPIPER_MACHINE_ "-unknown-linux-musl"
#endif

// Names of features, each if the compiler may use it.
#ifdef __SSE3__
#define GOPIPER_SSE3_ "sse3 "
#else
#define GOPIPER_SSE3_ ""
#endif
#ifdef __SSSE3__
#define GOPIPER_SSSE3_ "ssse3 "
#else
#define GOPIPER_SSSE3_ ""
#endif
#ifdef __SSE4_1__
#define GOPIPER_SSE4_1_ "sse4.1 "
#else
#define GOPIPER_SSE4_1_ ""
#endif
#ifdef __SSE4_2__
#define GOPIPER_SSE4_2_ "sse4.2 "
#else
#define GOPIPER_SSE4_2_ ""
#endif
#ifdef __SSE4A__
#define GOPIPER_SSE4A_ "sse4a "
#else
#define GOPIPER_SSE4A_ ""
#endif
#ifdef __POPCNT__
#define GOPIPER_POPCNT_ "popcnt "
#else
#define GOPIPER_POPCNT_ ""
#endif
#ifdef __AVX__
#define GOPIPER_AVX_ "avx "
#else
#define GOPIPER_AVX_ ""
#endif
#ifdef __AVX2__
#define GOPIPER_AVX2_ "avx2 "
#else
#define GOPIPER_AVX2_ ""
#endif
#ifdef __BMI__
#define GOPIPER_BMI_ "bmi1 "
#else
#define GOPIPER_BMI_ ""
#endif
#ifdef __BMI2__
#define GOPIPER_BMI2_ "bmi2 "
#else
#define GOPIPER_BMI2_ ""
#endif
#ifdef __FMA__
#define GOPIPER_FMA_ "fma "
#else
#define GOPIPER_FMA_ ""
#endif
#ifdef __F16C__
#define GOPIPER_F16C_ "f16c "
#else
#define GOPIPER_F16C_ ""
#endif
#ifdef __LZCNT__
#define GOPIPER_LZCNT_ "lzcnt "
#else
#define GOPIPER_LZCNT_ ""
#endif
#ifdef __MOVBE__
#define GOPIPER_MOVBE_ "movbe "
#else
#define GOPIPER_MOVBE_ ""
#endif
#ifdef __ADX__
#define GOPIPER_ADX_ "adx "
#else
#define GOPIPER_ADX_ ""
#endif
#ifdef __TBM__
#define GOPIPER_TBM_ "tbm "
#else
#define GOPIPER_TBM_ ""
#endif
#if defined(__AES__) || defined(__ARM_FEATURE_AES)
#define GOPIPER_AES_ "aes "
#else
#define GOPIPER_AES_ ""
#endif
#ifdef __VAES__
#define GOPIPER_VAES_ "vaes "
#else
#define GOPIPER_VAES_ ""
#endif
#ifdef __PCLMUL__
#define GOPIPER_PCLMUL_ "pclmulqdq "
#else
#define GOPIPER_PCLMUL_ ""
#endif
#ifdef __VPCLMULQDQ__
#define GOPIPER_VPCLMULQDQ_ "vpclmulqdq "
#else
#define GOPIPER_VPCLMULQDQ_ ""
#endif
#ifdef __GFNI__
#define GOPIPER_GFNI_ "gfni "
#else
#define GOPIPER_GFNI_ ""
#endif
#ifdef __SHA__
#define GOPIPER_SHA_ "sha "
#else
#define GOPIPER_SHA_ ""
#endif
#ifdef __AVX512F__
#define GOPIPER_AVX512F_ "avx512f "
#else
#define GOPIPER_AVX512F_ ""
#endif
#ifdef __AVX512BW__
#define GOPIPER_AVX512BW_ "avx512bw "
#else
#define GOPIPER_AVX512BW_ ""
#endif
#ifdef __AVX512CD__
#define GOPIPER_AVX512CD_ "avx512cd "
#else
#define GOPIPER_AVX512CD_ ""
#endif
#ifdef __AVX512DQ__
#define GOPIPER_AVX512DQ_ "avx512dq "
#else
#define GOPIPER_AVX512DQ_ ""
#endif
#ifdef __AVX512VL__
#define GOPIPER_AVX512VL_ "avx512vl "
#else
#define GOPIPER_AVX512VL_ ""
#endif
#ifdef __AVX512BF16__
#define GOPIPER_AVX512BF16_ "avx512bf16 "
#else
#define GOPIPER_AVX512BF16_ ""
#endif
#ifdef __AVX512BITALG__
#define GOPIPER_AVX512BITALG_ "avx512bitalg "
#else
#define GOPIPER_AVX512BITALG_ ""
#endif
#ifdef __AVX512IFMA__
#define GOPIPER_AVX512IFMA_ "avx512ifma "
#else
#define GOPIPER_AVX512IFMA_ ""
#endif
#ifdef __AVX512VBMI__
#define GOPIPER_AVX512VBMI_ "avx512vbmi "
#else
#define GOPIPER_AVX512VBMI_ ""
#endif
#ifdef __AVX512VBMI2__
#define GOPIPER_AVX512VBMI2_ "avx512vbmi2 "
#else
#define GOPIPER_AVX512VBMI2_ ""
#endif
#ifdef __AVX512VNNI__
#define GOPIPER_AVX512VNNI_ "avx512vnni "
#else
#define GOPIPER_AVX512VNNI_ ""
#endif
#ifdef __AVX512VP2INTERSECT__
#define GOPIPER_AVX512VP2INTERSECT_ "avx512vp2intersect "
#else
#define GOPIPER_AVX512VP2INTERSECT_ ""
#endif
#ifdef __AVX512VPOPCNTDQ__
#define GOPIPER_AVX512VPOPCNTDQ_ "avx512vpopcntdq "
#else
#define GOPIPER_AVX512VPOPCNTDQ_ ""
#endif
#ifdef __ARM_FEATURE_CRC32
#define GOPIPER_CRC_ "crc "
#else
#define GOPIPER_CRC_ ""
#endif
#ifdef __ARM_FEATURE_DOTPROD
#define GOPIPER_DOTPROD_ "dotprod "
#else
#define GOPIPER_DOTPROD_ ""
#endif
#ifdef __ARM_FEATURE_FP16_SCALAR_ARITHMETIC
#define GOPIPER_FP16_ "fp16 "
#else
#define GOPIPER_FP16_ ""
#endif
#ifdef __ARM_FEATURE_ATOMICS
#define GOPIPER_LSE_ "lse "
#else
#define GOPIPER_LSE_ ""
#endif
#ifdef __ARM_FEATURE_RCPC
#define GOPIPER_RCPC_ "rcpc "
#else
#define GOPIPER_RCPC_ ""
#endif
#ifdef __ARM_FEATURE_QRDMX
#define GOPIPER_RDM_ "rdm "
#else
#define GOPIPER_RDM_ ""
#endif
#ifdef __ARM_FEATURE_SHA2
#define GOPIPER_SHA2_ "sha2 "
#else
#define GOPIPER_SHA2_ ""
#endif
#ifdef __ARM_FEATURE_SVE
#define GOPIPER_SVE_ "sve "
#else
#define GOPIPER_SVE_ ""
#endif
#ifdef __ARM_FEATURE_SVE2
#define GOPIPER_SVE2_ "sve2 "
#else
#define GOPIPER_SVE2_ ""
#endif
#define GOPIPER_CPU_                                                                               \
  GOPIPER_SSE3_ GOPIPER_SSSE3_ GOPIPER_SSE4_1_ GOPIPER_SSE4_2_ GOPIPER_SSE4A_ GOPIPER_POPCNT_      \
  GOPIPER_AVX_ GOPIPER_AVX2_ GOPIPER_BMI_ GOPIPER_BMI2_ GOPIPER_FMA_ GOPIPER_F16C_                 \
  GOPIPER_LZCNT_ GOPIPER_MOVBE_ GOPIPER_ADX_ GOPIPER_TBM_ GOPIPER_AES_ GOPIPER_VAES_               \
  GOPIPER_PCLMUL_ GOPIPER_VPCLMULQDQ_ GOPIPER_GFNI_ GOPIPER_SHA_ GOPIPER_AVX512F_                  \
  GOPIPER_AVX512BW_ GOPIPER_AVX512CD_ GOPIPER_AVX512DQ_ GOPIPER_AVX512VL_ GOPIPER_AVX512BF16_      \
  GOPIPER_AVX512BITALG_ GOPIPER_AVX512IFMA_ GOPIPER_AVX512VBMI_ GOPIPER_AVX512VBMI2_               \
  GOPIPER_AVX512VNNI_ GOPIPER_AVX512VP2INTERSECT_ GOPIPER_AVX512VPOPCNTDQ_                         \
  GOPIPER_CRC_ GOPIPER_DOTPROD_ GOPIPER_FP16_ GOPIPER_LSE_ GOPIPER_RCPC_ GOPIPER_RDM_              \
  GOPIPER_SHA2_ GOPIPER_SVE_ GOPIPER_SVE2_
