# SPDX-License-Identifier: LGPL-2.1-or-later
"""XML of pools, volumes and requests, and what the answers say (design: the XML contract)."""

import tempfile
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

NS = "urn:libvirt-replication:1.0"
_XMLNS = f"xmlns:replication='{NS}'"


def attrs(**values):
    """Attributes of a request: names with _ for -, None left out."""
    return "".join(f" {name.replace('_', '-')}={quoteattr(str(value))}"
                   for name, value in values.items() if value is not None)


def region(name, project=None, quota=None):
    inner = f"<replication:quota{attrs(**quota)}/>" if quota is not None else ""
    return (f"<replication:region {_XMLNS}{attrs(name=name, project=project)}>{inner}"
            "</replication:region>")


def pool(name, path, label=None, kind="dir", uuid=None, extra=""):
    meta = f"<metadata>{label}</metadata>" if label else ""
    ident = f"<uuid>{uuid}</uuid>" if uuid else ""
    return (f"<pool type='{kind}'><name>{name}</name>{ident}{extra}"
            f"<target><path>{path}</path></target>{meta}</pool>")


def replicate(name=None, fmt="qcow2", description=None, bandwidth=None, target="", **options):
    """A replication request; `options` are attributes: async_="yes", token=…, fast_create=…"""
    options = {key.rstrip("_"): value for key, value in options.items()}
    inner = f"<replication:description>{escape(description)}</replication:description>" \
        if description is not None else ""
    if bandwidth is not None:
        unit, value = bandwidth if isinstance(bandwidth, tuple) else ("MiB/s", bandwidth)
        inner += f"<replication:bandwidth unit='{unit}'>{value}</replication:bandwidth>"
    fmt_xml = f"<format type='{fmt}'/>" if fmt else ""
    return ("<volume>" + (f"<name>{escape(name)}</name>" if name else "") +
            (f"<target>{fmt_xml}{target}</target>" if fmt_xml or target else "") +
            f"<metadata><replication:replicate {_XMLNS}{attrs(**options)}>{inner}"
            "</replication:replicate></metadata></volume>")


def update(volume, inner):
    """A change to an image; `inner` with the prefix replication:."""
    return (f"<volume><name>{escape(volume)}</name><metadata><replication:update {_XMLNS}>{inner}"
            "</replication:update></metadata></volume>")


def volume(name, capacity=1 << 20, fmt="qcow2", extra=""):
    return (f"<volume><name>{escape(name)}</name><capacity>{capacity}</capacity>"
            f"<target><format type='{fmt}'/></target>{extra}</volume>")


def xml_file(xml):
    """A file with the text, for virsh; goes with the returned object."""
    f = tempfile.NamedTemporaryFile("w", suffix=".xml")
    f.write(xml)
    f.flush()
    return f


class Image:
    """What <replication:image> in a volume's XML says."""

    def __init__(self, xml):
        self.xml = xml
        self.root = ET.fromstring(xml)
        self.image = self.root.find(f"metadata/{{{NS}}}image")
        assert self.image is not None, f"no <replication:image> in {xml}"

    def __getattr__(self, name):
        """id, status, type, visibility, project, fast_create."""
        return self.image.get(name.replace("_", "-"))

    def text(self, name):
        return self.image.findtext(f"{{{NS}}}{name}")

    @property
    def source(self):
        element = self.image.find(f"{{{NS}}}source")
        return None if element is None else dict(element.attrib)

    @property
    def snapshots(self):
        element = self.image.find(f"{{{NS}}}snapshots")
        if element is None:
            return []
        names = [s.get("volume") for s in element.findall(f"{{{NS}}}snapshot")]
        assert element.get("count") == str(len(names))
        return names

    @property
    def shares(self):
        return {s.get("project"): s.get("state") for s in self.image.findall(f"{{{NS}}}share")}

    @property
    def job(self):
        """Attributes of the job, with "steps" (dicts) and "error"; None without a job."""
        element = self.image.find(f"{{{NS}}}job")
        if element is None:
            return None
        job = dict(element.attrib)
        job["steps"] = [dict(s.attrib) for s in element.findall(f"{{{NS}}}step")]
        job["error"] = element.findtext(f"{{{NS}}}error")
        return job

    @property
    def actions(self):
        return {step["layer"]: step["action"] for step in self.job["steps"]}


def usage(pool_xml):
    """images, snapshots and bytes of <replication:usage>, as integers; None where there is none."""
    element = ET.fromstring(pool_xml).find(f"metadata/{{{NS}}}region/{{{NS}}}usage")
    if element is None:
        element = ET.fromstring(pool_xml).find(f"metadata/{{{NS}}}usage")
    return None if element is None else {k: int(v) for k, v in element.attrib.items()}


def overview(pool_xml, name):
    """The attributes of each <replication:NAME> that a pool shows, in order."""
    return [dict(e.attrib) for e in ET.fromstring(pool_xml).findall(f"metadata/{{{NS}}}region/{{{NS}}}{name}")]


def region_of(pool_xml):
    element = ET.fromstring(pool_xml).find(f"metadata/{{{NS}}}region")
    return None if element is None else element.get("name")


def metadata(xml):
    """The <metadata> of a document, canonical."""
    return ET.canonicalize(ET.tostring(ET.fromstring(xml).find("metadata")), strip_text=True)
