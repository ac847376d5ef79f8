/* Made for a framewright of the far future. */
#define SAMPLE_ID "wrong-abi"
#define SAMPLE_MAJOR 7
#include "sample.h"
