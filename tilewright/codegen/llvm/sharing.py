"""How all copies of the runtime in one process act as one, and the workspace: LLVM IR templates.

`threadpool` fills them in and says what they mean.
"""

SHARING = """
%tw.bytes = type { ptr, i64 }
declare i32 @TVMFFIFunctionGetGlobal(ptr, ptr)
declare i32 @TVMFFIFunctionSetGlobal(ptr, ptr, i32)
declare i32 @TVMFFIFunctionCreate(ptr, ptr, ptr, ptr)
declare i32 @TVMFFIFunctionCall(ptr, ptr, i32, ptr)
declare i32 @TVMFFIObjectDecRef(ptr)
declare void @TVMFFIErrorMoveFromRaised(ptr)

@tw.name.table.text = private constant $table_name
@tw.name.table = private constant %tw.bytes { ptr @tw.name.table.text, i64 $table_name_size }
@tw.name.set.text = private constant $set_name
@tw.name.set = private constant %tw.bytes { ptr @tw.name.set.text, i64 $set_name_size }
@tw.name.get.text = private constant $get_name
@tw.name.get = private constant %tw.bytes { ptr @tw.name.get.text, i64 $get_name_size }
@tw.own = internal constant [5 x ptr] [ptr @tw.launch, ptr @tw.set_threads, ptr @tw.get_threads,
  ptr @tw.alloc, ptr @tw.free]
@tw.table = internal global ptr null, align 8
@tw.lock = internal global i32 0, align 4

define void @tilewright_parallel_launch(ptr %body, ptr %closure, i64 %hint) {
  %table = call ptr @tilewright_runtime_table()
  %function = load ptr, ptr %table
  tail call void %function(ptr %body, ptr %closure, i64 %hint)
  ret void
}

define void @tilewright_set_num_threads(i32 %threads) {
  %table = call ptr @tilewright_runtime_table()
  %entry = getelementptr ptr, ptr %table, i64 1
  %function = load ptr, ptr %entry
  tail call void %function(i32 %threads)
  ret void
}

define i32 @tilewright_get_num_threads() {
  %table = call ptr @tilewright_runtime_table()
  %entry = getelementptr ptr, ptr %table, i64 2
  %function = load ptr, ptr %entry
  %threads = tail call i32 %function()
  ret i32 %threads
}

define ptr @tilewright_workspace_alloc(i64 %bytes) {
  %table = call ptr @tilewright_runtime_table()
  %entry = getelementptr ptr, ptr %table, i64 3
  %function = load ptr, ptr %entry
  %block = tail call ptr %function(i64 %bytes)
  ret ptr %block
}

define void @tilewright_workspace_free(ptr %block) {
  %table = call ptr @tilewright_runtime_table()
  %entry = getelementptr ptr, ptr %table, i64 4
  %function = load ptr, ptr %entry
  tail call void %function(ptr %block)
  ret void
}

; The table in force in this process; the first call finds it or publishes this copy's own.
define ptr @tilewright_runtime_table() {
  %table = load atomic ptr, ptr @tw.table acquire, align 8
  %known = icmp ne ptr %table, null
  br i1 %known, label %have, label %find
have:
  ret ptr %table
find:
  %found = call ptr @tw.resolve()
  ret ptr %found
}

define internal ptr @tw.resolve() noinline {
entry:
  %function = alloca ptr
  br label %acquire
acquire:
  %exchange = cmpxchg ptr @tw.lock, i32 0, i32 1 acquire monotonic
  %mine = extractvalue { i32, i1 } %exchange, 1
  br i1 %mine, label %locked, label %wait
wait:
  %ignored = call i32 @sched_yield()
  br label %acquire
locked:
  %again = load atomic ptr, ptr @tw.table acquire, align 8
  %done = icmp ne ptr %again, null
  br i1 %done, label %release, label %ask
ask:
  %published = call ptr @tw.lookup()
  %exists = icmp ne ptr %published, null
  br i1 %exists, label %store, label %publish
publish:
  call void @tw.prepare()
  %won = call i32 @tw.register(ptr @tw.name.table, ptr @tw.call.table, i32 0)
  %lost = icmp ne i32 %won, 0
  br i1 %lost, label %retry, label %first
first:
  %r1 = call i32 @tw.register(ptr @tw.name.set, ptr @tw.call.set, i32 1)
  %r2 = call i32 @tw.register(ptr @tw.name.get, ptr @tw.call.get, i32 1)
  br label %store
retry:
  %other = call ptr @tw.lookup()
  %none = icmp eq ptr %other, null
  %safe = select i1 %none, ptr @tw.own, ptr %other
  br label %store
store:
  %value = phi ptr [ %published, %ask ], [ @tw.own, %first ], [ %safe, %retry ]
  store atomic ptr %value, ptr @tw.table release, align 8
  br label %release
release:
  %result = phi ptr [ %again, %locked ], [ %value, %store ]
  store atomic i32 0, ptr @tw.lock release, align 4
  ret ptr %result
}

; The published table, or null.
define internal ptr @tw.lookup() {
entry:
  %function = alloca ptr
  %any = alloca { i64, i64 }
  store ptr null, ptr %function
  %status = call i32 @TVMFFIFunctionGetGlobal(ptr @tw.name.table, ptr %function)
  %handle = load ptr, ptr %function
  %missing = icmp eq ptr %handle, null
  br i1 %missing, label %none, label %call
call:
  store { i64, i64 } zeroinitializer, ptr %any
  %called = call i32 @TVMFFIFunctionCall(ptr %handle, ptr null, i32 0, ptr %any)
  %dropped = call i32 @TVMFFIObjectDecRef(ptr %handle)
  %value.ptr = getelementptr { i64, i64 }, ptr %any, i32 0, i32 1
  %value = load ptr, ptr %value.ptr
  %failed = icmp ne i32 %called, 0
  br i1 %failed, label %none, label %found
found:
  ret ptr %value
none:
  call void @tw.clear_error()
  ret ptr null
}

define internal void @tw.clear_error() {
entry:
  %error = alloca ptr
  store ptr null, ptr %error
  call void @TVMFFIErrorMoveFromRaised(ptr %error)
  %handle = load ptr, ptr %error
  %clean = icmp eq ptr %handle, null
  br i1 %clean, label %end, label %drop
drop:
  %ignored = call i32 @TVMFFIObjectDecRef(ptr %handle)
  br label %end
end:
  ret void
}

define internal i32 @tw.register(ptr %name, ptr %call, i32 %override) {
entry:
  %function = alloca ptr
  %created = call i32 @TVMFFIFunctionCreate(ptr null, ptr %call, ptr null, ptr %function)
  %handle = load ptr, ptr %function
  %status = call i32 @TVMFFIFunctionSetGlobal(ptr %name, ptr %handle, i32 %override)
  %ignored = call i32 @TVMFFIObjectDecRef(ptr %handle)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %clear, label %end
clear:
  call void @tw.clear_error()
  br label %end
end:
  ret i32 %status
}

; Before this copy is published: its state is made, and its library stays loaded for ever.
define internal void @tw.prepare() {
entry:
  %info = alloca [4 x ptr]
  %m = call i32 @pthread_mutex_init(ptr @tw.mutex, ptr null)
  %c = call i32 @pthread_cond_init(ptr @tw.condition, ptr null)
  %k = call i32 @pthread_key_create(ptr @tw.key, ptr @tw.drop_cache)
  call void @tw.at_fork()
  call void @tw.set_spin()
  %found = call i32 @dladdr(ptr @tw.own, ptr %info)
  %inside = icmp ne i32 %found, 0
  br i1 %inside, label %pin, label %end
pin:
  %path = load ptr, ptr %info
  %ignored = call ptr @dlopen(ptr %path, i32 $no_delete)
  br label %end
end:
  ret void
}

$at_fork

; A forked child has no workers: the next launch starts its own.
define internal void @tw.child() {
  %m = call i32 @pthread_mutex_init(ptr @tw.mutex, ptr null)
  %c = call i32 @pthread_cond_init(ptr @tw.condition, ptr null)
  %word = load i64, ptr @tw.word
  %idle = and i64 %word, -65536
  store i64 %idle, ptr @tw.word
  store i32 0, ptr @tw.started
  store i32 0, ptr @tw.sleepers
  store i32 0, ptr @tw.busy
  store i32 0, ptr @tw.lock
  ret void
}

define internal i32 @tw.call.table(ptr %self, ptr %args, i32 %count, ptr %result) {
  store i64 4, ptr %result
  %value = getelementptr i64, ptr %result, i64 1
  store ptr @tw.own, ptr %value
  ret i32 0
}

define internal i32 @tw.call.set(ptr %self, ptr %args, i32 %count, ptr %result) {
entry:
  %none = icmp eq i32 %count, 0
  br i1 %none, label %set, label %argument
argument:
  %value.ptr = getelementptr i64, ptr %args, i64 1
  %value = load i64, ptr %value.ptr
  %short = trunc i64 %value to i32
  br label %set
set:
  %threads = phi i32 [ 0, %entry ], [ %short, %argument ]
  call void @tw.set_threads(i32 %threads)
  ret i32 0
}

define internal i32 @tw.call.get(ptr %self, ptr %args, i32 %count, ptr %result) {
  %threads = call i32 @tw.get_threads()
  %long = sext i32 %threads to i64
  store i64 1, ptr %result
  %value = getelementptr i64, ptr %result, i64 1
  store i64 %long, ptr %value
  ret i32 0
}
"""

# A block is 64 bytes longer than asked for; its capacity lies in the first 8 of them.
WORKSPACE = """
declare i32 @pthread_key_create(ptr, ptr)
declare ptr @pthread_getspecific(i64)
declare i32 @pthread_setspecific(i64, ptr)
declare i32 @posix_memalign(ptr, i64, i64)
declare ptr @calloc(i64, i64)
declare void @free(ptr)
@tw.key = internal global i64 0, align 8

; This thread's eight cached blocks, or null when memory is out.
define internal ptr @tw.cache() {
  %key = load i64, ptr @tw.key
  %cache = call ptr @pthread_getspecific(i64 %key)
  %known = icmp ne ptr %cache, null
  br i1 %known, label %have, label %make
have:
  ret ptr %cache
make:
  %made = call ptr @calloc(i64 8, i64 8)
  %ignored = call i32 @pthread_setspecific(i64 %key, ptr %made)
  ret ptr %made
}

define internal void @tw.drop_cache(ptr %cache) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %slot = getelementptr ptr, ptr %cache, i64 %i
  %block = load ptr, ptr %slot
  call void @free(ptr %block)
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, 8
  br i1 %more, label %loop, label %end
end:
  call void @free(ptr %cache)
  ret void
}

define internal ptr @tw.alloc(i64 %bytes) {
entry:
  %fresh = alloca ptr
  %cache = call ptr @tw.cache()
  %twice = shl i64 %bytes, 1
  %most = add i64 %twice, 65536
  %none = icmp eq ptr %cache, null
  br i1 %none, label %make, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %skip ]
  %slot = getelementptr ptr, ptr %cache, i64 %i
  %block = load ptr, ptr %slot
  %empty = icmp eq ptr %block, null
  br i1 %empty, label %skip, label %measure
measure:
  %capacity = load i64, ptr %block
  %large = icmp uge i64 %capacity, %bytes
  %modest = icmp ule i64 %capacity, %most
  %fits = and i1 %large, %modest
  br i1 %fits, label %take, label %skip
take:
  store ptr null, ptr %slot
  %cached = getelementptr i8, ptr %block, i64 64
  ret ptr %cached
skip:
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, 8
  br i1 %more, label %loop, label %make
make:
  %padded = add i64 %bytes, 64
  %negative = icmp slt i64 %bytes, 0
  br i1 %negative, label %fail, label %allocate
allocate:
  %status = call i32 @posix_memalign(ptr %fresh, i64 64, i64 %padded)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %fail, label %made
made:
  %base = load ptr, ptr %fresh
  store i64 %bytes, ptr %base
  %result = getelementptr i8, ptr %base, i64 64
  ret ptr %result
fail:
  ret ptr null
}

define internal void @tw.free(ptr %pointer) {
entry:
  %null = icmp eq ptr %pointer, null
  br i1 %null, label %end, label %begin
begin:
  %block = getelementptr i8, ptr %pointer, i64 -64
  %capacity = load i64, ptr %block
  %cache = call ptr @tw.cache()
  %none = icmp eq ptr %cache, null
  %huge = icmp ugt i64 %capacity, 67108864
  %drop = or i1 %none, %huge
  br i1 %drop, label %release, label %loop
loop:
  %i = phi i64 [ 0, %begin ], [ %next, %skip ]
  %slot = getelementptr ptr, ptr %cache, i64 %i
  %held = load ptr, ptr %slot
  %empty = icmp eq ptr %held, null
  br i1 %empty, label %keep, label %skip
keep:
  store ptr %block, ptr %slot
  br label %end
skip:
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, 8
  br i1 %more, label %loop, label %release
release:
  call void @free(ptr %block)
  br label %end
end:
  ret void
}
"""
