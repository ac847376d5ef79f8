/* Works until its renderer prints a line; then it never comes back. */
static volatile int for_ever = 1;
#define SAMPLE_ID "hang"
#define SAMPLE_ON_LINE() \
    while (for_ever) { \
    }
#include "sample.h"
