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
// Makes a component of a table of callbacks: once in a file, outside of functions. `kind` is GOPIPER_SOURCE,
// GOPIPER_TRANSFORM or GOPIPER_SINK, `name` and `version` are string literals, of 63 and 31 bytes at most.
//
//   static const gopiper_component upper = { .documentation = "Upper case.", .handle = handle };
//   GOPIPER_COMPONENT(GOPIPER_TRANSFORM, "upper", "1.0.0", upper)
//
// It writes three things: the ELF note that the host reads before any code of the file runs, the name by which the
// static library finds the component, and a reference that takes the file's entry out of that library.
#define GOPIPER_COMPONENT(kind, name, version, component)                                          \
  _Static_assert(sizeof(name) > 1 && sizeof(name) <= 64, "the name has 1 to 63 bytes");            \
  _Static_assert(sizeof(version) <= 32, "the version has 31 bytes at most");                       \
  __attribute__((section(".note.gopiper"), used, aligned(4)))                                      \
  static const gopiper_note_ gopiper_note_of_this_file_ = {                                        \
    8, sizeof(gopiper_note_) - 20, 1, "gopiper", (kind), 1, GOPIPER_LAYOUT_, name, version,        \
    GOPIPER_INTERFACE_VERSION, GOPIPER_TARGET_, GOPIPER_COMPILER_, { 0 }                           \
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
