/* Works until its renderer prints a line; then it reads through a null pointer. */
#include <stddef.h>
static volatile int *volatile nowhere = NULL;
#define SAMPLE_ID "segfault"
#define SAMPLE_ON_LINE() ((void)*nowhere)
#include "sample.h"
