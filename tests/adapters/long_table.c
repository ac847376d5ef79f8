/* Its table has more functions than this framewright knows: a newer minor. It works. */
#define SAMPLE_ID "long-table"
#define SAMPLE_NO_ENTRY
#include "sample.h"

static struct {
    framewright_adapter_table known;
    void (*of_the_future[8])(void);
} long_table;

const framewright_adapter_table *framewright_adapter_entry(uint32_t host_abi_major) {
    (void)host_abi_major;
    long_table.known = sample_table;
    long_table.known.size = sizeof long_table;
    long_table.known.abi_minor = 9;
    return &long_table.known;
}
