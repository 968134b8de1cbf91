/* The raw interface, as far as a transform needs it. Sizes and offsets: gopiper-abi/src/raw/layout.txt. */
#ifndef GOPIPER_H
#define GOPIPER_H

#include <stddef.h>
#include <stdint.h>

/* Every vtable lies behind this head. */
typedef struct {
  uint64_t accessible;
  const void *layout;
} gp_head;

struct gp_owner;
typedef struct {
  gp_head head;
  void (*retain)(const struct gp_owner *, size_t);
  void (*release)(const struct gp_owner *, size_t);
  /* more follows */
} gp_payload_vtable;

typedef struct gp_owner {
  const gp_payload_vtable *vtable;
  size_t size;
} gp_owner;

typedef struct {
  uint8_t *data;
  size_t len;
  const gp_owner *owner; /* NULL: lives as long as the process */
} gp_payload;

/* 64 bytes. A slot holds the message as it came. Change it only together with status = 0 (Done); any
 * other status leaves the message as it is. payload.data is never NULL, also for no bytes. */
typedef struct {
  gp_payload payload;
  void *extra;
  const void *delivery;
  uint32_t index;
  int32_t status;
  int64_t time;
  uint16_t attempts;
  uint8_t tail; /* 0 when the payload is changed */
  uint8_t flags;
  uint16_t branch;
  uint16_t reserved;
} gp_message;
_Static_assert(sizeof(gp_message) == 64, "a message is one cache line");

typedef struct {
  gp_message *messages;
  uint32_t len, capacity;
  uint32_t cursor; /* handle from here on */
  uint32_t holds;
  uint64_t sequence;
  const void *vtable;
} gp_batch;

typedef struct {
  gp_head head;
  const void *other[12]; /* retain … state_directory */
  gp_payload (*payload)(const void *context, size_t length);
  /* more follows */
} gp_services;

typedef struct {
  const void *context;
  const gp_services *services;
} gp_host;

#endif
