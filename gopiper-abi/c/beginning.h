// One unit of data with its attributes: the one that `handle` got, one of gopiper_message_new, or one in a
// batch. What it is inside is nobody's business.
typedef struct gopiper_message gopiper_message;
