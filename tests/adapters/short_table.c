/* Its table ends after `open`, as one of an older minor would if functions were appended later;
 * the host must not read further than the table says. */
#define SAMPLE_ID "short-table"
#define SAMPLE_NO_ENTRY
#include "sample.h"

static framewright_adapter_table short_table;

const framewright_adapter_table *framewright_adapter_entry(uint32_t host_abi_major) {
    (void)host_abi_major;
    short_table = sample_table;
    short_table.size = offsetof(framewright_adapter_table, step);
    return &short_table;
}
