// The parts of a batch and of its worker's state that Lua sees, as `ffi/mod.rs` and gopiper-abi
// declare them.
typedef struct {
  const char *_data; size_t _len; const void *_owner;
  const void *_extra; const void *_delivery; uint32_t _index; int32_t _status;
  int64_t _time; uint16_t _attempts; uint8_t _tail, _flags; uint16_t _branch, _piece;
} gopiper_slot;
typedef struct { gopiper_slot *messages; uint32_t len, capacity, cursor, holds; } gopiper_batch;
typedef struct { int32_t tag; int64_t integer; double number; const char *data; size_t len; } gopiper_value;
typedef struct { uint32_t at; int32_t stopped; uint32_t condemned; } gopiper_progress;
typedef struct {
  gopiper_progress *progress;
  int32_t changed;
  int32_t made;
  gopiper_slot *_slot;
  ptrdiff_t (*find)(void *, const gopiper_slot *, size_t, const char *, size_t);
  int32_t (*set_data)(void *, gopiper_slot *, const char *, size_t);
  int32_t (*append)(void *, gopiper_slot *, const char *, size_t);
  void (*crop)(void *, gopiper_slot *, size_t, size_t);
  void (*set_time)(void *, gopiper_slot *, int64_t);
  void (*report)(void *, gopiper_slot *, int32_t, const char *, size_t);
  int32_t (*emit)(void *, const gopiper_slot *, const char *, size_t);
  void (*send)(void *, gopiper_slot *);
  void (*get)(void *, const gopiper_slot *, const char *, size_t, gopiper_value *);
  int32_t (*set)(void *, gopiper_slot *, const char *, size_t, gopiper_value *);
  void (*get_all)(void *, const gopiper_slot *, gopiper_value *);
  void (*get_value)(void *, const gopiper_slot *, gopiper_value *);
  int32_t (*set_value)(void *, gopiper_slot *, gopiper_value *);
  void (*json)(void *, const gopiper_slot *, const char *, size_t, gopiper_value *);
  void (*decode)(void *, const gopiper_slot *, const char *, size_t, gopiper_value *);
  int32_t (*add_json)(void *, gopiper_slot *, const char *, size_t, gopiper_value *);
  int32_t (*set_json)(void *, gopiper_slot *, const char *, size_t, gopiper_value *);
  int32_t (*keep)(void *, gopiper_slot *, const char *, size_t);
  int32_t (*window_emit)(void *, const char *, size_t, const char *, size_t, int64_t, gopiper_value *);
  int32_t (*window_drop)(void *, const char *, size_t);
  void (*id)(void *, const gopiper_slot *, gopiper_value *);
} gopiper_state;
// The arguments of a function: nothing in them can be set.
typedef struct {} gopiper_message;
typedef struct {} gopiper_attributes;
