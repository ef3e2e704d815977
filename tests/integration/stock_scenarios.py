# SPDX-License-Identifier: LGPL-2.1-or-later
"""What test_stock_equal.py plays on libvirt with and without our module: one virsh command a line.

`$ command` runs in the host itself, anything else is virsh. Pools live in /var/lib/libvirt/images,
which is a tmpfs of its own in each host. Files that XML needs are in FILES.
"""

IMAGES = "/var/lib/libvirt/images"
UUID = "c0ffee00-0000-4000-8000-00000000000{}"


def _pool(name, number, target=None, kind="dir", source="", meta=""):
    return (f"<pool type='{kind}'><name>{name}</name><uuid>{UUID.format(number)}</uuid>{source}"
            f"<target><path>{target or IMAGES + '/' + name}</path></target>{meta}</pool>")


def _vol(name, fmt="qcow2", capacity="8", inner="", outer="", target=""):
    return (f"<volume><name>{name}</name><capacity unit='MiB'>{capacity}</capacity>{outer}"
            f"<target><format type='{fmt}'/>{target}</target>{inner}</volume>")


FILES = {
    "p.xml": _pool("p", 1),
    "q.xml": _pool("q", 2),
    "p-other-uuid.xml": _pool("p", 3),
    "same-uuid.xml": _pool("r", 1),
    "same-target.xml": _pool("r", 4, IMAGES + "/p"),
    "p-moved.xml": _pool("p", 1, IMAGES + "/moved"),
    "owned.xml": f"<pool type='dir'><name>owned</name><uuid>{UUID.format(5)}</uuid><target>"
                 f"<path>{IMAGES}/owned</path><permissions><mode>0750</mode><owner>12</owner>"
                 "<group>34</group></permissions></target></pool>",
    "no-target.xml": "<pool type='dir'><name>n</name></pool>",
    "no-name.xml": f"<pool type='dir'><target><path>{IMAGES}/x</path></target></pool>",
    "bad-type.xml": "<pool type='cloud'><name>c</name><target><path>/x</path></target></pool>",
    "region-type.xml": "<pool type='dir'><name>c</name><target><path>relative</path></target></pool>",
    "not-xml.xml": "<pool type='dir'><name>",
    "not-pool.xml": "<network><name>x</name></network>",
    "empty.xml": "",
    "unknown.xml": _pool("u", 6, meta="<nonsense/>"),
    "foreign-meta.xml": _pool("f", 6, meta="<metadata><x:a xmlns:x='urn:other'>1</x:a></metadata>"),
    "fs.xml": _pool("fs", 7, kind="fs", source=f"<source><device path='{IMAGES}/disk.img'/>"
                                               "<format type='ext4'/></source>"),
    "netfs.xml": _pool("nfs", 8, kind="netfs",
                       source="<source><host name='127.0.0.1'/><dir path='/none'/></source>"),
    "a.xml": _vol("a.qcow2"),
    "a-raw.xml": _vol("a.img", "raw"),
    "b.xml": _vol("b.qcow2", inner=f"<backingStore><path>{IMAGES}/p/a.qcow2</path>"
                                   "<format type='qcow2'/></backingStore>"),
    "b-lost.xml": _vol("lost.qcow2", inner=f"<backingStore><path>{IMAGES}/p/none.qcow2</path>"
                                           "<format type='qcow2'/></backingStore>"),
    "c.xml": _vol("c.qcow2"),
    "c-raw.xml": _vol("c.img", "raw"),
    "c-v3.xml": _vol("c3.qcow2", target="<compat>1.1</compat><features><lazy_refcounts/></features>"),
    "c-small.xml": _vol("small.img", "raw", capacity="1"),
    "perm.xml": _vol("perm.img", "raw", target="<permissions><mode>0640</mode><owner>7</owner>"
                                               "<group>8</group></permissions>"),
    "alloc.xml": _vol("alloc.img", "raw", outer="<allocation unit='MiB'>2</allocation>"),
    "dir.xml": "<volume type='dir'><name>folder</name><capacity>0</capacity>"
               "<target><format type='dir'/></target></volume>",
    "vmdk.xml": _vol("v.vmdk", "vmdk"),
    "huge.xml": _vol("huge.img", "raw", capacity="99999999999999"),
    "bad-name.xml": _vol("sub/dir.img", "raw"),
    "dot.xml": _vol(".hidden", "raw"),
    "dotdot.xml": _vol("..", "raw"),
    "bad-format.xml": _vol("x.img", "nosuch"),
    "no-capacity.xml": "<volume><name>x</name></volume>",
    "no-volname.xml": "<volume><capacity>1</capacity></volume>",
    "vol-unknown.xml": _vol("u.img", "raw", inner="<nonsense/>"),
    "vol-foreign-meta.xml": _vol("f.img", "raw",
                                 inner="<metadata><x:a xmlns:x='urn:other'>1</x:a></metadata>"),
    "luks-no-secret.xml": _vol("l.img", "raw", target="<encryption format='luks'/>"),
    "luks.xml": _vol("l.img", "raw", target="<encryption format='luks'><secret type='passphrase' "
                     "uuid='c0ffee00-0000-4000-8000-0000000000ff'/></encryption>"),
    "secret.xml": "<secret ephemeral='no' private='no'><uuid>c0ffee00-0000-4000-8000-0000000000ff"
                  f"</uuid><usage type='volume'><volume>{IMAGES}/p/l.img</volume></usage></secret>",
}

_TWO_POOLS = "pool-define p.xml\npool-build p\npool-start p\npool-define q.xml\npool-build q\npool-start q\n"

SCENARIOS = {
    "pool-life": """
        pool-define p.xml
        pool-list --all --details
        pool-info p
        pool-start p
        pool-build p
        pool-build p
        pool-start p
        pool-start p
        pool-info p
        pool-info p --bytes
        pool-dumpxml p
        pool-dumpxml p --inactive
        pool-uuid p
        pool-name c0ffee00-0000-4000-8000-000000000001
        pool-autostart p
        pool-list --autostart
        pool-list --all --name
        pool-list --all --uuid
        pool-list --persistent --type dir
        pool-list --transient
        pool-autostart p --disable
        pool-list --no-autostart --inactive
        pool-refresh p
        pool-undefine p
        pool-delete p
        pool-define p-other-uuid.xml
        pool-define same-uuid.xml
        pool-define same-target.xml
        pool-define p-moved.xml
        pool-dumpxml p --inactive
        pool-destroy p
        pool-destroy p
        pool-refresh p
        pool-dumpxml p
        pool-build p
        pool-delete p
        pool-delete p
        pool-undefine p
        pool-undefine p
        pool-list --all""",
    "pool-transient": """
        pool-create p.xml
        pool-create p.xml --build
        pool-create q.xml --build --no-overwrite
        pool-list --transient
        pool-autostart p
        pool-undefine p
        pool-refresh p
        pool-dumpxml p --inactive
        pool-define p.xml
        pool-list --all --details
        pool-destroy p
        pool-destroy q
        pool-list --all""",
    "pool-as": """
        pool-define-as t dir --target /var/lib/libvirt/images/t --print-xml
        pool-define-as t dir --target /var/lib/libvirt/images/t
        pool-build t
        pool-start t --build
        vol-list t
        pool-create-as t2 dir --target /var/lib/libvirt/images/t2
        pool-create-as t2 dir --target /var/lib/libvirt/images/t2 --build
        pool-create-as t dir --target /var/lib/libvirt/images/t
        pool-define-as bad nosuchtype --target /x
        pool-define-as bad dir
        pool-define-as shanghai region --source-host h --source-name images --print-xml
        pool-destroy t
        pool-delete t
        pool-undefine t""",
    "pool-malformed": """
        pool-define no-target.xml
        pool-define no-name.xml
        pool-define bad-type.xml
        pool-define region-type.xml
        pool-define not-xml.xml
        pool-define not-pool.xml
        pool-define empty.xml
        pool-define missing-file.xml
        pool-define unknown.xml --validate
        pool-define unknown.xml
        pool-dumpxml u
        pool-define foreign-meta.xml --validate
        pool-define foreign-meta.xml
        pool-dumpxml f
        pool-create no-target.xml
        pool-create not-xml.xml
        pool-create unknown.xml --validate
        pool-define p.xml --validate""",
    "pool-unknown": """
        pool-info none
        pool-dumpxml none
        pool-start none
        pool-destroy none
        pool-delete none
        pool-undefine none
        pool-refresh none
        pool-build none
        pool-autostart none
        pool-uuid none
        pool-name c0ffee00-0000-4000-8000-00000000dead
        pool-edit none
        vol-list none
        vol-create none a.xml
        vol-create-as none x 1M
        vol-info x none
        vol-delete x none""",
    "pool-readonly": """
        pool-define p.xml
        pool-build p
        pool-start p
        vol-create p a.xml
        -r pool-list --all --details
        -r pool-dumpxml p
        -r vol-list p --details
        -r vol-dumpxml a.qcow2 p
        -r vol-info a.qcow2 p
        -r pool-define q.xml
        -r pool-create q.xml
        -r pool-destroy p
        -r pool-refresh p
        -r pool-build p
        -r pool-undefine p
        -r pool-autostart p
        -r vol-create p c.xml
        -r vol-create-from p c.xml a.qcow2
        -r vol-delete a.qcow2 p
        -r vol-download a.qcow2 out --pool p
        -r vol-resize a.qcow2 20M --pool p
        -r vol-wipe a.qcow2 p
        -r pool-delete p""",
    "pool-edit": """
        pool-define p.xml
        edit=true pool-edit p
        edit=s,images/p,images/px, pool-edit p
        edit=s,type='dir',type='nosuch', pool-edit p
        pool-dumpxml p
        pool-edit none""",
    "pool-owned": """
        pool-define owned.xml
        pool-build owned
        pool-start owned
        pool-dumpxml owned
        vol-create owned perm.xml
        vol-create owned a.xml
        vol-dumpxml perm.img owned""",
    "pool-capabilities": """
        pool-capabilities
        -r pool-capabilities
        find-storage-pool-sources-as dir
        find-storage-pool-sources-as netfs
        find-storage-pool-sources-as netfs 127.0.0.1
        find-storage-pool-sources-as logical
        find-storage-pool-sources-as nosuch
        find-storage-pool-sources-as iscsi
        find-storage-pool-sources dir p.xml
        pool-event --list""",
    "pool-fs": """
        $ truncate -s 16M /var/lib/libvirt/images/disk.img
        $ mke2fs -q -t ext4 -F -U c0ffee00-0000-4000-8000-000000000001 -E root_owner=0:0 /var/lib/libvirt/images/disk.img
        pool-define fs.xml
        pool-start fs
        pool-build fs
        pool-build fs --no-overwrite
        $ mkdir -p /var/lib/libvirt/images/fs
        pool-start fs
        pool-info fs
        pool-dumpxml fs
        vol-list fs --details
        vol-create fs c-small.xml
        vol-list fs
        pool-refresh fs
        pool-destroy fs
        $ ls /var/lib/libvirt/images/fs
        pool-delete fs
        pool-undefine fs""",
    "pool-unavailable": """
        pool-define netfs.xml
        pool-start netfs
        pool-start nfs
        pool-info nfs
        pool-define-as vg logical --source-name none --target /dev/none
        pool-start vg
        pool-build vg
        pool-define-as d disk --source-dev /var/lib/libvirt/images/none --target /dev
        pool-start d
        pool-define-as i iscsi --source-host 127.0.0.1 --source-dev iqn.x --target /dev/disk/by-path
        pool-start i
        pool-define-as s scsi --adapter-name host99 --target /dev
        pool-start s
        pool-define-as g gluster --source-host 127.0.0.1 --source-name v --source-path /
        pool-define-as r rbd --source-host 127.0.0.1 --source-name v
        pool-define-as z zfs --source-name v
        pool-list --all --details""",
    "vol-create": _TWO_POOLS + """
        vol-create p a.xml
        vol-create p a.xml
        vol-create p a.xml --validate
        vol-create p a-raw.xml --prealloc-metadata
        vol-create p c.xml --prealloc-metadata
        vol-create p b.xml
        vol-create p b-lost.xml
        vol-create p c-v3.xml
        vol-create p perm.xml
        vol-create p alloc.xml
        vol-create p dir.xml
        vol-create p vmdk.xml
        vol-create p huge.xml
        vol-create p bad-name.xml
        vol-create p dot.xml
        vol-create p dotdot.xml
        vol-create p bad-format.xml
        vol-create p no-capacity.xml
        vol-create p no-volname.xml
        vol-create p not-xml.xml
        vol-create p not-pool.xml
        vol-create p empty.xml
        vol-create p vol-unknown.xml --validate
        vol-create p vol-unknown.xml
        vol-create p vol-foreign-meta.xml --validate
        vol-create p vol-foreign-meta.xml
        vol-dumpxml f.img p
        vol-create p luks-no-secret.xml
        vol-create p luks.xml
        vol-list p
        vol-list p --details
        vol-dumpxml a.qcow2 p
        vol-dumpxml b.qcow2 p
        vol-dumpxml c3.qcow2 p
        vol-dumpxml folder p
        vol-dumpxml perm.img p
        vol-info a.qcow2 p
        vol-info a.qcow2 p --bytes --physical
        pool-refresh p
        vol-list p --details
        vol-dumpxml b.qcow2 p
        pool-info p
        pool-delete p
        pool-destroy p
        pool-delete p""",
    "vol-create-as": _TWO_POOLS + """
        vol-create-as p x.qcow2 4M --format qcow2
        vol-create-as p x.qcow2 4M --format qcow2
        vol-create-as p x.img 4M --allocation 1M
        vol-create-as p y.qcow2 4M --format qcow2 --backing-vol x.qcow2 --backing-vol-format qcow2
        vol-create-as p y2.qcow2 4M --format qcow2 --backing-vol none.qcow2 --backing-vol-format qcow2
        vol-create-as p z.qcow2 4M --format qcow2 --prealloc-metadata
        vol-create-as p zz 4M --format nosuch
        vol-create-as p zz wrong
        vol-create-as p print 4M --print-xml
        vol-list p --details""",
    "vol-lookup": _TWO_POOLS + """
        vol-create p a.xml
        vol-create q a.xml
        vol-path a.qcow2 p
        vol-key a.qcow2 p
        vol-key a.qcow2
        vol-name /var/lib/libvirt/images/p/a.qcow2
        vol-pool /var/lib/libvirt/images/q/a.qcow2
        vol-pool /var/lib/libvirt/images/q/a.qcow2 --uuid
        vol-pool /var/lib/libvirt/images/none
        vol-name /etc/passwd
        vol-path none p
        vol-info none p
        vol-info /var/lib/libvirt/images/p/a.qcow2
        vol-dumpxml none p
        vol-dumpxml /var/lib/libvirt/images/q/a.qcow2
        pool-destroy p
        vol-list p
        vol-info a.qcow2 p
        vol-info /var/lib/libvirt/images/p/a.qcow2""",
    "vol-from": _TWO_POOLS + """
        vol-create p a.xml
        vol-create p a-raw.xml
        $ qemu-io -f qcow2 -c 'write -q -P 7 0 1M' /var/lib/libvirt/images/p/a.qcow2
        vol-create-from q c.xml a.qcow2 --inputpool p
        vol-create-from q c.xml a.qcow2 --inputpool p
        vol-create-from q c-raw.xml a.qcow2 --inputpool p
        vol-create-from q c-v3.xml a.img --inputpool p
        vol-create-from q c-small.xml a.img --inputpool p
        vol-create-from p c.xml a.qcow2
        vol-create-from q perm.xml a.img --inputpool p
        vol-create-from q c.xml none --inputpool p
        vol-create-from q c.xml a.qcow2 --inputpool none
        vol-create-from none c.xml a.qcow2 --inputpool p
        vol-create-from q not-xml.xml a.qcow2 --inputpool p
        vol-create-from q no-volname.xml a.qcow2 --inputpool p
        vol-create-from q vol-unknown.xml a.img --inputpool p --validate
        vol-create-from q alloc.xml a.img --inputpool p --reflink
        vol-create-from q a.xml a.qcow2 --inputpool p --prealloc-metadata
        vol-clone a.qcow2 clone.qcow2 --pool p
        vol-clone a.qcow2 clone.qcow2 --pool p
        vol-clone a.img clone.img --pool p
        vol-clone a.img clone2.img --pool p --prealloc-metadata
        vol-clone none clone --pool p
        vol-clone a.img clone3.img --pool p --reflink
        vol-list p --details
        vol-list q --details
        vol-dumpxml c.qcow2 q
        vol-dumpxml clone.qcow2 p
        pool-destroy p
        vol-create-from q b.xml a.qcow2 --inputpool p""",
    "vol-data": _TWO_POOLS + """
        vol-create p a-raw.xml
        vol-create p a.xml
        vol-upload a.img data --pool p
        vol-upload a.img data --pool p --offset 4096
        vol-upload a.img data --pool p --sparse
        vol-upload a.img none --pool p
        vol-upload none data --pool p
        vol-download a.img out1 --pool p
        vol-download a.img out2 --pool p --offset 4096 --length 5000
        vol-download a.img out3 --pool p --sparse
        vol-download a.qcow2 out4 --pool p
        vol-download none out5 --pool p
        vol-download a.img out6 --pool p --offset 99999999999
        files
        vol-upload a.img data --pool p --offset 4096 --length 1000
        vol-info a.img p
        vol-wipe a.img p
        vol-wipe a.img p --algorithm zero
        vol-wipe a.img p --algorithm nosuch
        vol-wipe a.qcow2 p
        vol-wipe none p
        vol-info a.img p""",
    "vol-resize": _TWO_POOLS + """
        vol-create p a.xml
        vol-create p a-raw.xml
        vol-create p b.xml
        vol-resize a.qcow2 16M --pool p
        vol-resize a.qcow2 8M --pool p
        vol-resize a.qcow2 8M --pool p --shrink
        vol-resize a.img 16M --pool p
        vol-resize a.img 4M --pool p
        vol-resize a.img 4M --pool p --shrink
        vol-resize a.img 2M --pool p --delta
        vol-resize a.img 6M --pool p --allocate
        vol-resize a.qcow2 20M --pool p --allocate
        vol-resize none 4M --pool p
        vol-resize a.img wrong --pool p
        vol-resize b.qcow2 20M --pool p
        vol-list p --details""",
    "vol-delete": _TWO_POOLS + """
        vol-create p a.xml
        vol-create p b.xml
        vol-create p dir.xml
        vol-delete a.qcow2 p
        vol-list p
        vol-dumpxml b.qcow2 p
        vol-delete b.qcow2 p --delete-snapshots
        vol-delete b.qcow2 p
        vol-delete none p
        vol-delete folder p
        vol-delete /etc/passwd
        pool-refresh p
        vol-list p
        pool-destroy p
        pool-delete p
        pool-undefine p""",
    "vol-found": _TWO_POOLS + """
        $ truncate -s 1M /var/lib/libvirt/images/p/.dot
        $ mkdir /var/lib/libvirt/images/p/sub /var/lib/libvirt/images/p/.replication
        $ ln -s /etc/passwd /var/lib/libvirt/images/p/link
        $ ln -s nowhere /var/lib/libvirt/images/p/dangling
        $ mkfifo /var/lib/libvirt/images/p/pipe
        $ qemu-img create -q -f qcow2 /var/lib/libvirt/images/p/q.qcow2 4M
        $ qemu-img create -q -f vmdk /var/lib/libvirt/images/p/v.vmdk 4M
        vol-list p
        pool-refresh p
        vol-list p --details
        vol-dumpxml .dot p
        vol-dumpxml .replication p
        vol-dumpxml sub p
        vol-dumpxml link p
        vol-dumpxml q.qcow2 p
        vol-dumpxml v.vmdk p
        vol-delete .replication p
        vol-delete sub p
        $ truncate -s 90 /var/lib/libvirt/images/p/q.qcow2
        pool-refresh p
        pool-list --all
        pool-start p""",
    "vol-luks": _TWO_POOLS + """
        secret-define secret.xml
        vol-create p luks.xml
        secret-set-value c0ffee00-0000-4000-8000-0000000000ff cGFzcw==
        vol-create p luks.xml
        vol-dumpxml l.img p
        vol-clone l.img l2.img --pool p
        pool-refresh p
        vol-dumpxml l.img p
        vol-create-from q luks.xml l.img --inputpool p""",
}
