/*
 * A small adapter in C that works, for samples that break it in one place each.
 *
 * Its renderer is `echo`, one process a task; nothing is written. A sample defines SAMPLE_ID and
 * may define SAMPLE_ON_CALL (at the beginning of each call) and SAMPLE_ON_LINE (when a line
 * arrives) before it includes this.
 *
 * It reads JSON with strstr, which is enough here: an unescaped `"input":"` cannot occur inside a
 * JSON string, and the host writes no spaces. A real adapter uses a JSON library.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "framewright_adapter.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SAMPLE_ON_CALL
#define SAMPLE_ON_CALL(name)
#endif
#ifndef SAMPLE_ON_LINE
#define SAMPLE_ON_LINE()
#endif

enum { SAMPLE_RUNS_MAX = 4096, SAMPLE_PROGRAM_MAX = 1024 };

struct sample_session {
    char program[SAMPLE_PROGRAM_MAX]; /* as in the document, JSON quotes and escapes included */
    unsigned runs;
    struct { unsigned long segment, task; } run[SAMPLE_RUNS_MAX];
};

static void say(framewright_sink sink, void *context, const char *format, ...) {
    char text[2 * SAMPLE_PROGRAM_MAX];
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0)
        sink(context, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

static int complain(framewright_sink sink, void *context, const char *why) {
    say(sink, context, "{\"code\":\"bad-document\",\"message\":\"%s\"}", why);
    return FRAMEWRIGHT_ERROR;
}

/* The number behind a key, searched from `from`; 0 where there is none. */
static unsigned long number_after(const char *from, const char *key) {
    const char *found = strstr(from, key);
    return found ? strtoul(found + strlen(key), NULL, 10) : 0;
}

static int32_t sample_describe(framewright_sink sink, void *context) {
    SAMPLE_ON_CALL("describe");
    say(sink, context,
        "{\"format\":1,\"id\":\"" SAMPLE_ID "\",\"version\":\"1.0.0\",\"renderer\":\"echo\",\n"
        "\"extensions\":[\"" SAMPLE_ID "\"],\"programs\":[\"echo\"],\n");
    say(sink, context,
        "\"can\":{\"frame-lists\":true,\"reports-frames\":true},\n"
        "\"outputs\":[{\"id\":\"none\",\"extension\":\"\"}]}\n");
    return FRAMEWRIGHT_OK;
}

static int32_t sample_open(const char *document, size_t len, void **session,
                           framewright_sink sink, void *context) {
    static const char key[] = "\"program\":";
    struct sample_session *opened = calloc(1, sizeof *opened);
    char *text = calloc(1, len + 1);
    const char *program;
    size_t at = 1;
    int32_t code = FRAMEWRIGHT_OK;
    SAMPLE_ON_CALL("open");
    if (!opened || !text) {
        free(opened);
        free(text);
        return complain(sink, context, "no memory");
    }
    memcpy(text, document, len);
    program = strstr(text, key);
    if (program && program[sizeof key - 1] == '"') {
        program += sizeof key - 1;
        while (program[at] && program[at] != '"')
            at += program[at] == '\\' && program[at + 1] ? 2 : 1;
    }
    if (!program || at + 2 > SAMPLE_PROGRAM_MAX) {
        code = complain(sink, context, "the open document names no program");
        free(opened);
    } else {
        memcpy(opened->program, program, at + 1);
        *session = opened;
        if (strstr(text, "\"activity\":\"probe\""))
            say(sink, context, "{\"effects\":[{\"effect\":\"found\",\"version\":\"1.0\"}]}");
        else if (strstr(text, "\"activity\":\"inspect\""))
            say(sink, context,
                "{\"effects\":[{\"effect\":\"scene\",\"first\":1,\"last\":3,\"step\":1,"
                "\"fps\":24,\"width\":64,\"height\":36}]}");
        else
            say(sink, context, "{\"effects\":[]}");
    }
    free(text);
    return code;
}

/* Handles the input that begins at `input` and ends where the next one begins. */
static void sample_input(struct sample_session *session, const char *input, const char *end,
                         const char **comma, framewright_sink sink, void *context) {
    if (strncmp(input, "segment\"", 8) == 0) {
        unsigned long segment = number_after(input, "\"segment\":");
        const char *task = input;
        while ((task = strstr(task, "\"task\":")) != NULL && task < end) {
            unsigned run = ++session->runs;
            session->run[run % SAMPLE_RUNS_MAX].segment = segment;
            session->run[run % SAMPLE_RUNS_MAX].task = number_after(task, "\"task\":");
            say(sink, context, "%s{\"effect\":\"run\",\"run\":%u,\"argv\":[", *comma, run);
            say(sink, context, "%s,\"task %lu\"]}", session->program,
                number_after(task, "\"task\":"));
            *comma = ",";
            task += 7;
        }
    } else if (strncmp(input, "line\"", 5) == 0) {
        SAMPLE_ON_LINE();
    } else if (strncmp(input, "exited\"", 7) == 0) {
        unsigned long run = number_after(input, "\"run\":") % SAMPLE_RUNS_MAX;
        say(sink, context,
            "%s{\"effect\":\"task-done\",\"segment\":%lu,\"task\":%lu,\"verdict\":\"succeeded\"}",
            *comma, session->run[run].segment, session->run[run].task);
        *comma = ",";
    }
}

static int32_t sample_step(void *session, const char *document, size_t len,
                           framewright_sink sink, void *context) {
    static const char key[] = "\"input\":\"";
    char *text = calloc(1, len + 1);
    const char *comma = "";
    const char *input;
    SAMPLE_ON_CALL("step");
    if (!text)
        return complain(sink, context, "no memory");
    memcpy(text, document, len);
    say(sink, context, "{\"effects\":[");
    input = strstr(text, key);
    while (input) {
        const char *next;
        input += sizeof key - 1;
        next = strstr(input, key);
        sample_input(session, input, next ? next : text + len, &comma, sink, context);
        input = next;
    }
    say(sink, context, "]}");
    free(text);
    return FRAMEWRIGHT_OK;
}

static void sample_close(void *session) {
    free(session);
}

#ifndef SAMPLE_MAJOR
#define SAMPLE_MAJOR FRAMEWRIGHT_ABI_MAJOR
#endif

static const framewright_adapter_table sample_table = {
    FRAMEWRIGHT_ADAPTER_MAGIC,
    sizeof(framewright_adapter_table),
    SAMPLE_MAJOR,
    FRAMEWRIGHT_ABI_MINOR,
    sample_describe,
    sample_open,
    sample_step,
    sample_close,
};

#ifndef SAMPLE_NO_ENTRY
const framewright_adapter_table *framewright_adapter_entry(uint32_t host_abi_major) {
    (void)host_abi_major;
    return &sample_table;
}
#endif

#endif
