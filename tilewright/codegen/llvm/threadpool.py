"""The process-wide thread pool and the workspace allocator, as LLVM IR.

Every exported library and the JIT link a copy of this module, but only one copy in a process works:
the first to be used publishes the table of its functions in the tvm-ffi registry under
`TABLE_NAME`, and all others call through that table.

A launch is one word, `epoch << 16 | tasks`. A task `i` belongs to whoever moves `slots[i]` to the
word's epoch; a slot always holds the last epoch in which it was claimed, so a worker that is late
by any number of launches can claim nothing. The launcher runs task 0, then what nobody has claimed.
A busy pool (another thread's launch, or a nested one) is not waited for: the caller runs the body
serially. Idle workers spin for a while (SPIN_MICROSECONDS) and then wait on a condition variable.
"""

from __future__ import annotations

from string import Template

from tilewright.support.knobs import NUM_THREADS, Knob

from .sharing import SHARING, WORKSPACE

SPIN_MICROSECONDS = Knob(
    "SPIN_MICROSECONDS", 200, "how long idle workers look for work before they sleep"
)

MAX_THREADS = 256
TABLE_NAME = "tilewright.runtime.v1"
SET_THREADS = "tilewright.set_num_threads"
GET_THREADS = "tilewright.num_threads"
EXPORTED = (
    "tilewright_parallel_launch",
    "tilewright_set_num_threads",
    "tilewright_get_num_threads",
    "tilewright_workspace_alloc",
    "tilewright_workspace_free",
    "tilewright_runtime_table",
)


def threadpool_ir(triple: str) -> str:
    """The module's text for `triple`: pthreads, atomics and tvm-ffi are all that it needs."""
    parts = (_STATE, SHARING, _THREAD_COUNT, _LAUNCH, _WORKER, WORKSPACE)
    text = Template("\n".join(parts)).substitute(_parameters(triple))
    return f'target triple = "{triple}"\n{text}'


def c_string(text: str) -> str:
    """`text` as an LLVM constant with its terminating zero: `[4 x i8] c"abc\\00"`."""
    data = text.encode() + b"\0"
    body = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:02X}" for b in data)
    return f'[{len(data)} x i8] c"{body}"'


def _parameters(triple: str) -> dict[str, str | int]:
    architecture = triple.split("-")[0]
    darwin = "apple" in triple or "darwin" in triple
    pause_declaration, pause = _PAUSE.get(architecture, ("", 'call void asm sideeffect "", ""()'))
    gnu = "gnu" in triple and not darwin
    return {
        "max_threads": MAX_THREADS,
        "spin": SPIN_MICROSECONDS.default,
        "spin_variable": c_string(SPIN_MICROSECONDS.variable),
        "table_name": c_string(TABLE_NAME),
        "table_name_size": len(TABLE_NAME),
        "set_name": c_string(SET_THREADS),
        "set_name_size": len(SET_THREADS),
        "get_name": c_string(GET_THREADS),
        "get_name_size": len(GET_THREADS),
        "variable": c_string(NUM_THREADS.variable),
        "pause_declaration": pause_declaration,
        "pause": pause,
        "affinity": _AFFINITY_NONE if darwin else _affinity_linux(),
        "processors_online": 58 if darwin else 84,
        "monotonic": 6 if darwin else 1,
        "block_signals": 1 if darwin else 0,
        "set_signals": 3 if darwin else 2,
        "no_delete": 0x82 if darwin else 0x1002,
        "at_fork": _AT_FORK_GLIBC if gnu else _AT_FORK_POSIX,
    }


def _affinity_linux() -> str:
    siblings = "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list"
    return Template(_AFFINITY_LINUX).substitute(
        siblings_path=c_string(siblings), quota_path=c_string("/sys/fs/cgroup/cpu.max")
    )


_PAUSE = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
    "arm64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}

# glibc keeps `pthread_atfork` in a static library that a JIT cannot reach; this is what it calls.
_AT_FORK_GLIBC = """
declare i32 @__register_atfork(ptr, ptr, ptr, ptr)
define internal void @tw.at_fork() {
  %ignored = call i32 @__register_atfork(ptr null, ptr null, ptr @tw.child, ptr null)
  ret void
}"""

_AT_FORK_POSIX = """
declare i32 @pthread_atfork(ptr, ptr, ptr)
define internal void @tw.at_fork() {
  %ignored = call i32 @pthread_atfork(ptr null, ptr null, ptr @tw.child)
  ret void
}"""

_AFFINITY_NONE = """
declare i32 @snprintf(ptr, i64, ptr, ...)
define internal i32 @tw.affinity() {
  ret i32 0
}"""

# The cores that this process may use: of the processors that share a core one counts, and a limit
# on processor time (in containers) bounds the number. 0 where the kernel does not say.
_AFFINITY_LINUX = """
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @snprintf(ptr, i64, ptr, ...)
declare i32 @open(ptr, i32, ...)
declare i64 @read(i32, ptr, i64)
declare i32 @close(i32)
declare ptr @strchr(ptr, i32)
@tw.siblings = private constant $siblings_path
@tw.quota = private constant $quota_path

; The beginning of a file as a string of up to 63 characters; whether there is one.
define internal i1 @tw.read(ptr %path, ptr %buffer) {
entry:
  %file = call i32 (ptr, i32, ...) @open(ptr %path, i32 524288)
  %missing = icmp slt i32 %file, 0
  br i1 %missing, label %none, label %get
get:
  %size = call i64 @read(i32 %file, ptr %buffer, i64 63)
  %closed = call i32 @close(i32 %file)
  %empty = icmp sle i64 %size, 0
  br i1 %empty, label %none, label %good
good:
  %end = getelementptr i8, ptr %buffer, i64 %size
  store i8 0, ptr %end
  ret i1 true
none:
  ret i1 false
}

define internal i1 @tw.allowed(ptr %mask, i32 %cpu) {
  %word.index = lshr i32 %cpu, 6
  %word.ptr = getelementptr i64, ptr %mask, i32 %word.index
  %word = load i64, ptr %word.ptr
  %bit = and i32 %cpu, 63
  %bit.long = zext i32 %bit to i64
  %shifted = lshr i64 %word, %bit.long
  %result = trunc i64 %shifted to i1
  ret i1 %result
}

define internal i32 @tw.affinity() {
entry:
  %mask = alloca [16 x i64], align 16
  %path = alloca [96 x i8]
  %text = alloca [64 x i8]
  call void @llvm.memset.p0.i64(ptr %mask, i8 0, i64 128, i1 false)
  %status = call i32 @sched_getaffinity(i32 0, i64 128, ptr %mask)
  %failed = icmp slt i32 %status, 0
  br i1 %failed, label %unknown, label %loop
loop:
  %cpu = phi i32 [ 0, %entry ], [ %cpu.next, %next ]
  %cores = phi i32 [ 0, %entry ], [ %cores.next, %next ]
  %more = icmp ult i32 %cpu, 1024
  br i1 %more, label %item, label %counted
item:
  %mine = call i1 @tw.allowed(ptr %mask, i32 %cpu)
  br i1 %mine, label %look, label %next
look:
  %written = call i32 (ptr, i64, ptr, ...) @snprintf(ptr %path, i64 96, ptr @tw.siblings, i32 %cpu)
  %known = call i1 @tw.read(ptr %path, ptr %text)
  br i1 %known, label %compare, label %next
compare:
  %first = call i32 @atoi(ptr %text)
  %inside = icmp ult i32 %first, 1024
  %safe = select i1 %inside, i32 %first, i32 %cpu
  %self = icmp eq i32 %safe, %cpu
  %shares = call i1 @tw.allowed(ptr %mask, i32 %safe)
  %other = xor i1 %shares, true
  %counts = or i1 %self, %other
  br label %next
next:
  %one = phi i1 [ false, %item ], [ true, %look ], [ %counts, %compare ]
  %step = zext i1 %one to i32
  %cores.next = add i32 %cores, %step
  %cpu.next = add i32 %cpu, 1
  br label %loop
counted:
  %limited = call i1 @tw.read(ptr @tw.quota, ptr %text)
  br i1 %limited, label %parse, label %done
parse:
  %quota = call i32 @atoi(ptr %text)
  %space = call ptr @strchr(ptr %text, i32 32)
  %bare = icmp eq ptr %space, null
  %unlimited = icmp sle i32 %quota, 0
  %skip = or i1 %bare, %unlimited
  br i1 %skip, label %done, label %divide
divide:
  %period.text = getelementptr i8, ptr %space, i64 1
  %period = call i32 @atoi(ptr %period.text)
  %period.safe = call i32 @llvm.smax.i32(i32 %period, i32 1)
  %quota.long = sext i32 %quota to i64
  %period.long = sext i32 %period.safe to i64
  %raised = add i64 %quota.long, %period.long
  %above = sub i64 %raised, 1
  %share.long = sdiv i64 %above, %period.long
  %share = trunc i64 %share.long to i32
  %bounded = call i32 @llvm.smin.i32(i32 %cores, i32 %share)
  br label %done
done:
  %result = phi i32 [ %cores, %counted ], [ %cores, %parse ], [ %bounded, %divide ]
  ret i32 %result
unknown:
  ret i32 0
}"""

_STATE = """
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sched_yield()
declare ptr @getenv(ptr)
declare i32 @atoi(ptr)
declare i64 @sysconf(i32)
declare i32 @clock_gettime(i32, ptr)
declare i32 @dladdr(ptr, ptr)
declare ptr @dlopen(ptr, i32)
$pause_declaration

; 128 bytes hold a pthread mutex or condition of every supported system
@tw.mutex = internal global [16 x i64] zeroinitializer, align 64
@tw.condition = internal global [16 x i64] zeroinitializer, align 64
@tw.word = internal global i64 0, align 64
@tw.body = internal global ptr null, align 8
@tw.closure = internal global ptr null, align 8
@tw.pending = internal global i32 0, align 64
@tw.busy = internal global i32 0, align 64
@tw.sleepers = internal global i32 0, align 64
@tw.started = internal global i32 0, align 64
@tw.threads = internal global i32 0, align 4
; one cache line a task: the last epoch in which it was claimed
@tw.slots = internal global [$max_threads x [8 x i64]] zeroinitializer, align 64
"""

_THREAD_COUNT = """
@tw.variable = private constant $variable
@tw.spin.variable = private constant $spin_variable
@tw.spin = internal global i64 0, align 8
declare i32 @llvm.smin.i32(i32, i32)
declare i32 @llvm.smax.i32(i32, i32)
$affinity

; TILEWRIGHT_NUM_THREADS, else one for each core that this process may use.
define internal i32 @tw.default_threads() {
entry:
  %text = call ptr @getenv(ptr @tw.variable)
  %unset = icmp eq ptr %text, null
  br i1 %unset, label %ask, label %parse
parse:
  %parsed = call i32 @atoi(ptr %text)
  %valid = icmp sgt i32 %parsed, 0
  br i1 %valid, label %end, label %ask
ask:
  %allowed = call i32 @tw.affinity()
  %known = icmp sgt i32 %allowed, 0
  br i1 %known, label %end, label %all
all:
  %online = call i64 @sysconf(i32 $processors_online)
  %online.short = trunc i64 %online to i32
  br label %end
end:
  %threads = phi i32 [ %parsed, %parse ], [ %allowed, %ask ], [ %online.short, %all ]
  ret i32 %threads
}

define internal void @tw.set_threads(i32 %threads) {
entry:
  %given = icmp sgt i32 %threads, 0
  br i1 %given, label %store, label %default
default:
  %found = call i32 @tw.default_threads()
  br label %store
store:
  %value = phi i32 [ %threads, %entry ], [ %found, %default ]
  %least = call i32 @llvm.smax.i32(i32 %value, i32 1)
  %capped = call i32 @llvm.smin.i32(i32 %least, i32 $max_threads)
  store atomic i32 %capped, ptr @tw.threads release, align 4
  ret void
}

define internal i32 @tw.get_threads() {
  %threads = load atomic i32, ptr @tw.threads acquire, align 4
  %known = icmp ne i32 %threads, 0
  br i1 %known, label %have, label %find
have:
  ret i32 %threads
find:
  call void @tw.set_threads(i32 0)
  %found = load atomic i32, ptr @tw.threads acquire, align 4
  ret i32 %found
}
"""

_LAUNCH = """
declare i64 @llvm.smin.i64(i64, i64)

define internal void @tw.launch(ptr %body, ptr %closure, i64 %hint) {
entry:
  %threads = call i32 @tw.get_threads()
  %threads.long = sext i32 %threads to i64
  %wanted = call i64 @llvm.smin.i64(i64 %hint, i64 %threads.long)
  %unspecified = icmp sle i64 %hint, 0
  %tasks = select i1 %unspecified, i64 %threads.long, i64 %wanted
  %several = icmp sgt i64 %tasks, 1
  br i1 %several, label %acquire, label %serial
acquire:
  %exchange = cmpxchg ptr @tw.busy, i32 0, i32 1 acquire monotonic
  %mine = extractvalue { i32, i1 } %exchange, 1
  br i1 %mine, label %ready, label %serial
serial:
  call void %body(i64 0, i64 1, ptr %closure)
  ret void
ready:
  %started = load i32, ptr @tw.started
  %workers = sub i32 %threads, 1
  %enough = icmp sge i32 %started, %workers
  br i1 %enough, label %announce, label %start
start:
  call void @tw.start_workers(i32 %workers)
  br label %announce
announce:
  store ptr %body, ptr @tw.body
  store ptr %closure, ptr @tw.closure
  %tasks.short = trunc i64 %tasks to i32
  store atomic i32 %tasks.short, ptr @tw.pending monotonic, align 4
  %old = load i64, ptr @tw.word
  %old.epoch = lshr i64 %old, 16
  %epoch = add i64 %old.epoch, 1
  %shifted = shl i64 %epoch, 16
  %word = or i64 %shifted, %tasks
  store atomic i64 %word, ptr @tw.word seq_cst, align 8
  %sleepers = load atomic i32, ptr @tw.sleepers seq_cst, align 4
  %asleep = icmp sgt i32 %sleepers, 0
  br i1 %asleep, label %wake, label %own
wake:
  %others = sub i32 %tasks.short, 1
  %signals = call i32 @llvm.smin.i32(i32 %others, i32 %sleepers)
  call void @tw.wake(i32 %signals, i32 %sleepers)
  br label %own
own:
  call void %body(i64 0, i64 %tasks, ptr %closure)
  %left.before = atomicrmw sub ptr @tw.pending, i32 1 acq_rel
  %alone = icmp eq i32 %left.before, 1
  br i1 %alone, label %finished, label %help
help:
  call void @tw.run_unclaimed(i64 1, i64 %word)
  br label %wait
wait:
  %spins = phi i32 [ 0, %help ], [ %spins.next, %relax ], [ 0, %yield ]
  %left = load atomic i32, ptr @tw.pending acquire, align 4
  %over = icmp eq i32 %left, 0
  br i1 %over, label %finished, label %more
more:
  %spins.next = add i32 %spins, 1
  %long = icmp ugt i32 %spins, 2000
  br i1 %long, label %yield, label %relax
relax:
  $pause
  br label %wait
yield:
  %ignored = call i32 @sched_yield()
  br label %wait
finished:
  store atomic i32 0, ptr @tw.busy release, align 4
  ret void
}

; Locking once makes sure that whoever counts as a sleeper really waits by now.
define internal void @tw.wake(i32 %signals, i32 %sleepers) {
entry:
  %l = call i32 @pthread_mutex_lock(ptr @tw.mutex)
  %u = call i32 @pthread_mutex_unlock(ptr @tw.mutex)
  %all = icmp sge i32 %signals, %sleepers
  br i1 %all, label %everyone, label %loop
everyone:
  %b = call i32 @pthread_cond_broadcast(ptr @tw.condition)
  ret void
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %s = call i32 @pthread_cond_signal(ptr @tw.condition)
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, %signals
  br i1 %more, label %loop, label %end
end:
  ret void
}

; Claims and runs tasks of the launch `word`, first `preferred`, then the following ones, around.
define internal void @tw.run_unclaimed(i64 %preferred, i64 %word) {
entry:
  %tasks = and i64 %word, 65535
  %epoch = lshr i64 %word, 16
  %several = icmp ugt i64 %tasks, 1
  br i1 %several, label %begin, label %end
begin:
  %inside = icmp ult i64 %preferred, %tasks
  %first = select i1 %inside, i64 %preferred, i64 1
  br label %loop
loop:
  %task = phi i64 [ %first, %begin ], [ %following, %next ]
  %tried = phi i64 [ 1, %begin ], [ %tried.next, %next ]
  %slot = getelementptr [8 x i64], ptr @tw.slots, i64 %task
  %last = load atomic i64, ptr %slot acquire, align 8
  %free = icmp ult i64 %last, %epoch
  br i1 %free, label %claim, label %next
claim:
  %exchange = cmpxchg ptr %slot, i64 %last, i64 %epoch acq_rel monotonic
  %mine = extractvalue { i64, i1 } %exchange, 1
  br i1 %mine, label %run, label %next
run:
  %body = load ptr, ptr @tw.body
  %closure = load ptr, ptr @tw.closure
  call void %body(i64 %task, i64 %tasks, ptr %closure)
  %left = atomicrmw sub ptr @tw.pending, i32 1 acq_rel
  br label %next
next:
  %raised = add i64 %task, 1
  %wraps = icmp uge i64 %raised, %tasks
  %following = select i1 %wraps, i64 1, i64 %raised
  %tried.next = add i64 %tried, 1
  %more = icmp ult i64 %tried.next, %tasks
  br i1 %more, label %loop, label %end
end:
  ret void
}
"""

_WORKER = """
; How long workers spin, in nanoseconds; part of the preparation of the pool.
define internal void @tw.set_spin() {
entry:
  %text = call ptr @getenv(ptr @tw.spin.variable)
  %unset = icmp eq ptr %text, null
  br i1 %unset, label %store, label %parse
parse:
  %parsed = call i32 @atoi(ptr %text)
  br label %store
store:
  %microseconds = phi i32 [ $spin, %entry ], [ %parsed, %parse ]
  %long = sext i32 %microseconds to i64
  %nanoseconds = mul i64 %long, 1000
  store i64 %nanoseconds, ptr @tw.spin
  ret void
}

; Only the holder of `busy` comes here. Workers take no signals: those belong to the application.
define internal void @tw.start_workers(i32 %wanted) {
entry:
  %thread = alloca ptr
  %all = alloca [16 x i64], align 16
  %saved = alloca [16 x i64], align 16
  call void @llvm.memset.p0.i64(ptr %all, i8 -1, i64 128, i1 false)
  %b = call i32 @pthread_sigmask(i32 $block_signals, ptr %all, ptr %saved)
  br label %check
check:
  %started = load i32, ptr @tw.started
  %more = icmp slt i32 %started, %wanted
  br i1 %more, label %create, label %end
create:
  %index = add i32 %started, 1
  %index.long = sext i32 %index to i64
  %argument = inttoptr i64 %index.long to ptr
  %status = call i32 @pthread_create(ptr %thread, ptr null, ptr @tw.worker, ptr %argument)
  %made = icmp eq i32 %status, 0
  br i1 %made, label %count, label %end
count:
  store i32 %index, ptr @tw.started
  %handle = load ptr, ptr %thread
  %d = call i32 @pthread_detach(ptr %handle)
  br label %check
end:
  %r = call i32 @pthread_sigmask(i32 $set_signals, ptr %saved, ptr null)
  ret void
}

define internal i64 @tw.now() {
entry:
  %time = alloca { i64, i64 }
  %ignored = call i32 @clock_gettime(i32 $monotonic, ptr %time)
  %seconds = load i64, ptr %time
  %nanoseconds.ptr = getelementptr { i64, i64 }, ptr %time, i32 0, i32 1
  %nanoseconds = load i64, ptr %nanoseconds.ptr
  %scaled = mul i64 %seconds, 1000000000
  %now = add i64 %scaled, %nanoseconds
  ret i64 %now
}

define internal ptr @tw.worker(ptr %argument) {
entry:
  %index = ptrtoint ptr %argument to i64
  br label %rest
rest:
  %seen.rest = phi i64 [ 0, %entry ], [ %word, %job ], [ %seen, %parked ]
  %start = call i64 @tw.now()
  br label %look
look:
  %seen = phi i64 [ %seen.rest, %rest ], [ %seen, %idle ], [ %seen, %clock ]
  %spins = phi i32 [ 0, %rest ], [ %spins.next, %idle ], [ %spins.next, %clock ]
  %word = load atomic i64, ptr @tw.word acquire, align 8
  %new = icmp ne i64 %word, %seen
  br i1 %new, label %job, label %pause
job:
  call void @tw.run_unclaimed(i64 %index, i64 %word)
  br label %rest
pause:
  $pause
  %spins.next = add i32 %spins, 1
  %masked = and i32 %spins.next, 31
  %due = icmp eq i32 %masked, 0
  br i1 %due, label %clock, label %idle
idle:
  br label %look
clock:
  %now = call i64 @tw.now()
  %waited = sub i64 %now, %start
  %patience = load i64, ptr @tw.spin
  %long = icmp sgt i64 %waited, %patience
  br i1 %long, label %park, label %look
park:
  %l = call i32 @pthread_mutex_lock(ptr @tw.mutex)
  %s = atomicrmw add ptr @tw.sleepers, i32 1 seq_cst
  %last = load atomic i64, ptr @tw.word seq_cst, align 8
  %nothing = icmp eq i64 %last, %seen
  br i1 %nothing, label %sleep, label %parked
sleep:
  %w = call i32 @pthread_cond_wait(ptr @tw.condition, ptr @tw.mutex)
  br label %parked
parked:
  %e = atomicrmw sub ptr @tw.sleepers, i32 1 seq_cst
  %u = call i32 @pthread_mutex_unlock(ptr @tw.mutex)
  br label %rest
}
"""
