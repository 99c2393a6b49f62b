"""A file system that shows a directory as another machine would: what it says of a file may be old, what it reads is not.

It speaks the kernel's FUSE protocol by itself. Arguments: the directory, and where to mount it."""
import ctypes, errno, os, struct, sys

ATTRIBUTES_HOLD = 600  # seconds
DIRECT_IO = 1

root, place = map(os.path.abspath, sys.argv[1:])
device = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = "fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other" % (device, os.getuid(), os.getgid())
if libc.mount(b"audit", place.encode(), b"fuse", 6, options.encode()) != 0:
    sys.exit("cannot mount: " + os.strerror(ctypes.get_errno()))
print("mounted", flush=True)

names = {1: ""}  # of nodes, by their numbers
nodes = {"": 1}


def path(node, name=""):
    return os.path.join(root, names[node], name) if name else os.path.join(root, names[node])


def attributes(state):
    times = [state.st_atime_ns, state.st_mtime_ns, state.st_ctime_ns]
    return struct.pack(
        "<6Q10I", state.st_ino, state.st_size, state.st_blocks, *[time // 10**9 for time in times],
        *[time % 10**9 for time in times], state.st_mode, state.st_nlink, state.st_uid, state.st_gid, 0, 4096, 0)


def entry(name):
    state = os.lstat(os.path.join(root, name))
    node = nodes.setdefault(name, len(names) + 1)
    names[node] = name
    return struct.pack("<4Q2I", node, 0, ATTRIBUTES_HOLD, ATTRIBUTES_HOLD, 0, 0) + attributes(state)


def attr_out(state):
    return struct.pack("<Q2I", ATTRIBUTES_HOLD, 0, 0) + attributes(state)


def text(data):
    return data.split(b"\0")[0].decode()


def rename(node, data, at):
    target = struct.unpack_from("<Q", data)[0]
    old, new = (name.decode() for name in data[at:].split(b"\0")[:2])
    old, new = os.path.join(names[node], old), os.path.join(names[target], new)
    os.rename(os.path.join(root, old), os.path.join(root, new))
    gone = nodes.pop(new, None)
    if gone is not None:
        names[gone] = new + " (gone)"
    if old in nodes:
        nodes[new] = nodes.pop(old)
        names[nodes[new]] = new
    return b""


def setattr_(node, data):
    valid, _, _, size = struct.unpack_from("<2I2Q", data)
    mode, _, uid, gid = struct.unpack_from("<4I", data, 68)
    if valid & 8:
        os.truncate(path(node), size)
    if valid & 1:
        os.chmod(path(node), mode & 0o7777)
    if valid & 6:
        os.chown(path(node), uid if valid & 2 else -1, gid if valid & 4 else -1)
    return attr_out(os.lstat(path(node)))


def list_(node, data):
    _, offset, size = struct.unpack_from("<2QI", data)
    out = b""
    for number, name in enumerate(sorted(os.listdir(path(node))), 1):
        raw = name.encode()
        record = struct.pack("<2Q2I", number + 1, number, len(raw), 0) + raw
        record += b"\0" * (-len(record) % 8)
        if number > offset and len(out) + len(record) <= size:
            out += record
    return out


def open_(node, data):
    flags = struct.unpack_from("<I", data)[0]
    file = os.open(path(node), flags & (os.O_ACCMODE | os.O_TRUNC))
    return struct.pack("<Q2I", file, DIRECT_IO, 0)


def create(node, data):
    flags, mode = struct.unpack_from("<2I", data)
    name = os.path.join(names[node], text(data[16:]))
    file = os.open(os.path.join(root, name), os.O_CREAT | os.O_RDWR | flags & os.O_EXCL, mode & 0o7777)
    return entry(name) + struct.pack("<Q2I", file, DIRECT_IO, 0)


def getattr_(node, data):
    flags, _, file = struct.unpack_from("<2IQ", data)
    return attr_out(os.fstat(file) if flags & 1 else os.lstat(path(node)))


def read(node, data):
    file, offset, size = struct.unpack_from("<2QI", data)
    return os.pread(file, size, offset)


def write(node, data):
    file, offset, size = struct.unpack_from("<2QI", data)
    return struct.pack("<2I", os.pwrite(file, data[40:40 + size], offset), 0)


def release(node, data):
    os.close(struct.unpack_from("<Q", data)[0])
    return b""


def unlink(node, data):
    name = os.path.join(names[node], text(data))
    os.unlink(os.path.join(root, name))
    gone = nodes.pop(name, None)
    if gone is not None:
        names[gone] = name + " (gone)"
    return b""


def fsync(node, data):
    os.fsync(struct.unpack_from("<Q", data)[0])
    return b""


OPERATIONS = {
    1: lambda node, data: entry(os.path.join(names[node], text(data))),
    3: getattr_, 4: setattr_, 10: unlink, 12: lambda node, data: rename(node, data, 8), 14: open_, 15: read, 16: write,
    17: lambda node, data: struct.pack("<5Q4I24x", 1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19, 4096, 255, 4096, 0),
    18: release, 20: fsync, 25: lambda node, data: b"",
    26: lambda node, data: struct.pack("<4I2HI2I9I", 7, 31, 1 << 16, 0, 12, 10, 1 << 17, 1, 0, *[0] * 9)[:64],
    27: lambda node, data: struct.pack("<Q2I", 0, 0, 0), 28: list_, 29: lambda node, data: b"", 30: lambda node, data: b"",
    35: create, 45: lambda node, data: rename(node, data, 16),
}
WITHOUT_REPLY = {2, 36, 42}

while True:
    try:
        request = os.read(device, 1 << 20)
    except OSError as error:
        if error.errno == errno.ENODEV:
            break
        continue
    _, operation, unique, node = struct.unpack_from("<2I2Q", request)
    if operation in WITHOUT_REPLY:
        continue
    status, reply = 0, b""
    try:
        reply = OPERATIONS[operation](node, request[40:])
    except KeyError:
        status = -errno.ENOSYS
    except OSError as error:
        status = -error.errno
    try:
        os.write(device, struct.pack("<IiQ", 16 + len(reply), status, unique) + reply)
    except OSError:
        pass
