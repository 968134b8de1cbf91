/* A transform that passes messages on, linked as an author may link it by mistake. */
#include <gopiper_component.h>

#ifdef ROOM
static __thread char room[ROOM] __attribute__((tls_model("initial-exec")));
#endif
#ifdef PRIVATE
int private_number(void);
#endif
#ifdef UNIQUE
/* As g++ makes the static data of an inline function. */
extern int shared_number;
__asm__(".globl shared_number\n.data\n.type shared_number, @gnu_unique_object\n"
        "shared_number: .long 1\n.size shared_number, 4\n.text");
#endif

static int32_t handle(void *state, gopiper_host *host, gopiper_message *message) {
  (void)state, (void)host, (void)message;
#ifdef ROOM
  room[0]++;
#endif
#ifdef UNIQUE
  shared_number++;
#endif
#ifdef PRIVATE
  if (private_number() != PRIVATE) return gopiper_fail(host, 0, "it is not its library");
#endif
  return GOPIPER_DONE;
}

static const gopiper_component linked = { .documentation = "Passes on.", .handle = handle };
GOPIPER_COMPONENT(GOPIPER_TRANSFORM, "linked", "0.1.0", linked)
