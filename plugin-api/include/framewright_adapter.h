/*
 * framewright_adapter.h: what an adapter of framewright exports, as C11 and C++11.
 * This page is the manual. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * WHAT AN ADAPTER IS
 *   A state machine that knows one renderer. It is told inputs and answers effects. It starts no
 *   process, keeps no thread, opens no socket and writes no file; the one thing that it may do by
 *   itself is read the scene's files in an `inspect` session. Given the same inputs it answers the
 *   same effects: after a crash the host loads it anew and tells it everything again.
 *
 * HOW IT IS LOADED
 *   Never into framewright itself, always into a child process that framewright can end. Nothing
 *   is ever unloaded (no dlclose). The library must have no undefined symbols: it is opened with
 *   RTLD_NOW | RTLD_LOCAL. Standard output belongs to the host's protocol and is moved away
 *   before loading: what an adapter prints there arrives on standard error, and standard error
 *   is kept only to explain a crash.
 *   Build one with: cc -std=c11 -fPIC -shared -fvisibility=hidden -o libNAME.so NAME.c
 *   and put an adapter.toml beside it:
 *       id = "name"
 *       version = "1.0.0"
 *       abi = 1
 *       library = "libNAME.so"
 *       extensions = ["scene"]
 *       hash = "..."            (optional: BLAKE3 of the library, in hex)
 *
 * THREADS
 *   The host makes every call from one and the same thread, one after the other. Every call has a
 *   deadline (seconds); when it passes, the child is killed.
 *
 * DOCUMENTS
 *   Everything that crosses is UTF-8 JSON, given as pointer and length, not terminated by zero:
 *       describe answers  {"format":1,"id":...,"extensions":[...],"programs":[...],"can":{...},...}
 *       open is given     {"format":1,"activity":"probe|inspect|render","program":...,"scene":...,...}
 *            and answers  {"effects":[...]}
 *       step is given     {"at_s":1.5,"inputs":[{"input":"line","run":1,...}, ...]}
 *            and answers  {"effects":[{"effect":"run","run":1,"argv":[...]}, ...]}
 *       an error answers  {"code":"...","message":"one sentence","where":"file:line"}
 *   `code` is a short word for programs, `where` may be left out. The fields of each document are
 *   written down in the crate framewright-plugin-api, module `data`. Unknown fields must be
 *   ignored by whoever reads; an unknown effect or input is an error.
 *
 * WHAT `can` PROMISES
 *   sticky          the scene stays loaded between the segments of one session.
 *   frame-lists     a segment may hold any frames in any order, e.g. 40, 8, 72, 24: one load serves
 *                   them all, whether the scene stays loaded afterwards or not, and each picture is
 *                   the one that the frame has when it is rendered alone. Without this promise, a
 *                   renderer that does not stay loaded gets runs of frames, rising. A scene of which
 *                   it does not hold says so: its layers that need their frames one after the other
 *                   are `undivided`; and one that is `reloaded` gets runs as long as it does not say
 *                   `frame-lists` itself.
 *   reports-frames  it says when each frame is written, so that frames are committed one by one and
 *                   a running segment can be cut.
 *   reduced         a task may ask for the picture at one in `reduced` of its width and height.
 *   reads-scenes    `inspect` needs no renderer: it is opened with an empty `program` where there is
 *                   none, and is answered without a process.
 *
 * FILES THAT A SCENE NEEDS
 *   An `inspect` session lists them all as `assets`: {"path":...,"bytes":...,"missing":false,
 *   "kind":"image","absolute":true}. A host that does not share the disk is sent these and nothing else.
 *   A path may be a folder: everything below it is needed. A sequence is listed file by file.
 *   `absolute` says that the scene names it by an absolute path; relative ones hold on every host,
 *   because there the files lie to each other as they do here.
 *   A `render` session is told in `open` where its host has what is named absolutely:
 *   "paths":[{"from":"/mnt/projects","to":"/Volumes/projects"}]. What the scene names below `from` is
 *   below `to` there. `from` is a prefix of whole names, `/` of all; the longest that fits counts.
 *   Where there is no such file below `to`, the scene's own name holds. Without `paths`, nothing is
 *   other than the scene says.
 *
 * FROM INSPECTION TO RENDERING
 *   A `render` session reads no files: the scene may be on another machine. What its command lines
 *   depend on (a size, a clock, a name), the `inspect` session puts into its conclusion as "carry",
 *   any JSON value of its own choice; each `render` session of the job is told it in `open`.
 *
 * OWNERSHIP
 *   No memory changes hands, so no allocator is shared.
 *   - What the host passes (documents) is valid until the call returns; copy what you keep.
 *   - What you answer goes through the sink that came with the call; the host copies it before
 *     the sink returns. The sink may be called any number of times; the pieces are joined. It may
 *     be called only during that call, only on that thread. It never fails and never calls back.
 *     An answer longer than FRAMEWRIGHT_ANSWER_BYTES_MAX ends the adapter.
 *   - A session is yours: you allocate it in `open`, you free it in `close`. To the host it is a
 *     pointer without meaning.
 *   - The table and what it points to stay valid and unchanged for the life of the process.
 *
 * RETURN CODES
 *   FRAMEWRIGHT_OK        the answer went through the sink.
 *   FRAMEWRIGHT_ERROR     the call could not be answered; an error document went through the
 *                         sink. The session, where there was one, is as before the call.
 *   FRAMEWRIGHT_POISONED  as ERROR, and the session can no longer be used (the code failed
 *                         halfway); only `close` may follow. The host opens a new one.
 *   Any other number counts as POISONED.
 *   A renderer that fails is no error: that is the effect `task-done` or `failed` with a verdict.
 *
 * UNWINDING
 *   No exception and no panic may leave any function of the table, and none may pass through the
 *   sink. In C++ wrap each function in try / catch (...) and answer FRAMEWRIGHT_POISONED; in Rust
 *   use export_adapter!, which does so.
 */
#ifndef FRAMEWRIGHT_ADAPTER_H
#define FRAMEWRIGHT_ADAPTER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "FWADAPT1" as eight bytes in memory on a little-endian machine. */
#define FRAMEWRIGHT_ADAPTER_MAGIC UINT64_C(0x3154504144415746)

/* Another major: nothing can be assumed about the table beyond its first 16 bytes.
 * Another minor: functions were appended to the table, or fields to documents. */
#define FRAMEWRIGHT_ABI_MAJOR 1
#define FRAMEWRIGHT_ABI_MINOR 0

/* The longest answer to one call. */
#define FRAMEWRIGHT_ANSWER_BYTES_MAX 16777216

#define FRAMEWRIGHT_OK 0
#define FRAMEWRIGHT_ERROR 1
#define FRAMEWRIGHT_POISONED 2

/* The name of the one exported function. */
#define FRAMEWRIGHT_ENTRY_NAME "framewright_adapter_entry"

#if defined(_WIN32)
#define FRAMEWRIGHT_EXPORT __declspec(dllexport)
#else
#define FRAMEWRIGHT_EXPORT __attribute__((visibility("default")))
#endif

/* Takes a piece of an answer. `context` is the pointer that came with the sink. */
typedef void (*framewright_sink)(void *context, const char *data, size_t len);

typedef struct framewright_adapter_table {
    /* The first 16 bytes never change, in any major. */
    uint64_t magic;      /* FRAMEWRIGHT_ADAPTER_MAGIC */
    uint32_t size;       /* sizeof(struct framewright_adapter_table) as the adapter was compiled */
    uint16_t abi_major;  /* FRAMEWRIGHT_ABI_MAJOR */
    uint16_t abi_minor;  /* FRAMEWRIGHT_ABI_MINOR */

    /* From here on the table grows by appending. The host copies as many bytes as both sides
     * know and takes the rest as null. The four functions of minor 0 may not be null. */

    /* Says who the adapter is. May be called at any time, any number of times. */
    int32_t (*describe)(framewright_sink sink, void *context);

    /* Opens a session for the activity that the document names and stores it in *session (which
     * the host has set to null). On any return code but OK nothing is stored. Several sessions
     * may be open at once; they must not know of each other. */
    int32_t (*open)(const char *document, size_t len, void **session,
                    framewright_sink sink, void *context);

    /* Tells a session what happened. Never called again after POISONED. */
    int32_t (*step)(void *session, const char *document, size_t len,
                    framewright_sink sink, void *context);

    /* Frees a session. Called exactly once for each session stored by open, unless the process
     * is ended before. */
    void (*close)(void *session);
} framewright_adapter_table;

/* The one function that an adapter exports. The host says which major it speaks; an adapter that
 * cannot speak it returns its table all the same (the host then says both numbers to the user),
 * or null. Called once. */
FRAMEWRIGHT_EXPORT const framewright_adapter_table *
framewright_adapter_entry(uint32_t host_abi_major);

#ifdef __cplusplus
}
#endif

#endif
