// One unit of data with its attributes: the one that `handle` got, one of gopiper_message_new, or
// one in a batch. Its contents are private.
typedef struct gopiper_message gopiper_message;
