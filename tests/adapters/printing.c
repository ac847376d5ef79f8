/* Works, and prints to standard output in each call, where a careless host speaks its protocol. */
#include <stdio.h>
#define SAMPLE_ID "printing"
#define SAMPLE_ON_CALL(name) \
    do { \
        printf("{\"ok\":\"%s was called\"}\n", name); \
        fflush(stdout); \
    } while (0)
#include "sample.h"
