/** Line icons on a 24 px grid. Each entry is the inside of an SVG; `F` marks filled shapes. */
const SHAPES = {
  back: '<path d="M15 5l-7 7 7 7"/>',
  forward: '<path d="M9 5l7 7-7 7"/>',
  down: '<path d="M5 9l7 7 7-7"/>',
  close: '<path d="M6 6l12 12M18 6L6 18"/>',
  check: '<path d="M5 12.5l5 5L19.5 7"/>',
  plus: '<path d="M12 5v14M5 12h14"/>',
  minus: '<path d="M5 12h14"/>',
  search: '<circle cx="11" cy="11" r="6.5"/><path d="M16 16l4.5 4.5"/>',
  filter: '<path d="M4 6h16M7 12h10M10 18h4"/>',
  home: '<path d="M4 11l8-7 8 7v8a1.5 1.5 0 0 1-1.500 1.500H14v-6h-4v6H5.500A1.500 1.500 0 0 1 4 19z"/>',
  chat: '<path d="M4 5.500h16v11h-9l-4.500 3.500v-3.500H4z"/><path d="M8 11h.01M12 11h.01M16 11h.01"/>',
  bell: '<path d="M6 16.500V11a6 6 0 0 1 12 0v5.500l1.500 1.500h-15zM10 20.500h4"/>',
  person:
    '<circle cx="12" cy="8" r="4"/><path d="M4.500 20.500c.8-4 3.700-6 7.500-6s6.700 2 7.500 6"/>',
  people:
    '<circle cx="9" cy="8.500" r="3.500"/><path d="M2.500 20c.6-3.700 3-5.500 6.500-5.500s5.900 1.800 6.500 5.500M15.500 5.300a3.500 3.500 0 0 1 0 6.400M18 14.800c2 .8 3.200 2.500 3.500 5.200"/>',
  doctor:
    '<circle cx="12" cy="7" r="3.500"/><path d="M5 20.500v-2A5 5 0 0 1 10 13.500h4a5 5 0 0 1 5 5v2M12 15.500v4M10 17.500h4"/>',
  stethoscope:
    '<path d="M6 4v5a4 4 0 0 0 8 0V4M10 13v3a4.500 4.500 0 0 0 9 0v-2.500"/><circle cx="19" cy="11.500" r="1.800"/>',
  card: '<rect x="3.500" y="5.500" width="17" height="13" rx="2"/><path d="M3.500 10h17M7 14.500h4"/>',
  order: '<path d="M6 3.500h12v17l-3-2-3 2-3-2-3 2zM9 8.500h6M9 12.500h6"/>',
  star: '<path d="M12 4l2.500 5.200 5.700.8-4.100 4 1 5.700L12 17l-5.100 2.700 1-5.700-4.100-4 5.700-.8z"/>',
  starFill:
    '<path class="f" d="M12 4l2.500 5.200 5.700.8-4.100 4 1 5.700L12 17l-5.100 2.700 1-5.700-4.100-4 5.700-.8z"/>',
  heart:
    '<path d="M12 20S4 15 4 9.300A4.300 4.300 0 0 1 12 7a4.300 4.300 0 0 1 8 2.300C20 15 12 20 12 20z"/>',
  heartFill:
    '<path class="f" d="M12 20S4 15 4 9.300A4.300 4.300 0 0 1 12 7a4.300 4.300 0 0 1 8 2.300C20 15 12 20 12 20z"/>',
  shield:
    '<path d="M12 3.500l7 2.500v5.500c0 4.500-3 7.500-7 9-4-1.500-7-4.500-7-9V6zM9 12l2.200 2.200L15.200 10"/>',
  phone:
    '<path d="M6.500 3.500l3 5-2 2c1 2.500 3.500 5 6 6l2-2 5 3c-.3 2-1.800 3.200-3.800 3C10.200 20 4 13.800 3.500 7.300c-.2-2 1-3.500 3-3.800z"/>',
  hangup:
    '<path class="f" d="M12 9c-4.200 0-7.500 1.300-9.500 3.600-.6.700-.6 1.600 0 2.300l1.500 1.600c.5.500 1.200.6 1.800.2l2.200-1.400c.5-.3.700-.8.700-1.300v-1.700c1.100-.3 2.200-.4 3.300-.4s2.200.1 3.300.4V14c0 .5.2 1 .7 1.300l2.200 1.400c.6.400 1.300.3 1.800-.2l1.500-1.600c.6-.7.6-1.600 0-2.300C19.500 10.300 16.200 9 12 9z"/>',
  video:
    '<rect x="3" y="6.500" width="12.500" height="11" rx="2"/><path d="M15.500 10.500l5.500-3v9l-5.500-3z"/>',
  videoOff:
    '<path d="M7.500 6.500h6a2 2 0 0 1 2 2v5M15.500 10.500l5.500-3v9l-2-1.100M14 17.500H5a2 2 0 0 1-2-2v-7c0-.8.400-1.400 1-1.700M3.500 3.500l17 17"/>',
  flip: '<path d="M4 8h10.500L12 5.500M20 16H9.500l2.500 2.500M4 8v6M20 16v-6"/>',
  mic: '<rect x="9" y="3.500" width="6" height="11" rx="3"/><path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v2.500"/>',
  micOff:
    '<path d="M9 8v3.500a3 3 0 0 0 4.800 2.400M15 10.500v-4a3 3 0 0 0-5.600-1.500M5.500 11.500a6.500 6.500 0 0 0 10 5.500M18.500 11.500c0 1-.2 1.900-.6 2.700M12 18v2.500M3.500 3.500l17 17"/>',
  speaker:
    '<path d="M4 9.500h3.500L12 5.500v13L7.500 14.500H4zM15.500 9a4 4 0 0 1 0 6M18 6.500a7.500 7.500 0 0 1 0 11"/>',
  keyboard:
    '<rect x="3" y="6" width="18" height="12" rx="2"/><path d="M7 10h.01M10.500 10h.01M14 10h.01M17.300 10h.01M8 14.500h8"/>',
  smile:
    '<circle cx="12" cy="12" r="8.500"/><path d="M8.500 14c.8 1.500 2 2.300 3.500 2.300s2.700-.8 3.500-2.300M9 9.500h.01M15 9.500h.01"/>',
  image:
    '<rect x="3.500" y="4.500" width="17" height="15" rx="2"/><circle cx="9" cy="9.500" r="1.500"/><path d="M4 17l5-4.500 3.500 3 3.500-3.500 4.500 4.500"/>',
  camera:
    '<path d="M3.500 7.500H8L9.500 5h5L16 7.500h4.500v12h-17z"/><circle cx="12" cy="13" r="3.500"/>',
  film: '<rect x="3.500" y="5" width="17" height="14" rx="2"/><path class="f" d="M10.500 9l4.500 3-4.500 3z"/>',
  file: '<path d="M6 3.500h8l4.500 4.500v12.500H6zM13.500 3.500V8.500h5"/>',
  play: '<path class="f" d="M8 5.500l10.500 6.500L8 18.500z"/>',
  pause: '<path d="M9 6v12M15 6v12" stroke-width="3"/>',
  send: '<path d="M4 12l16-7.500-6.500 15.500-2.500-6.500z"/>',
  reply: '<path d="M9.500 6L4 11l5.500 5M4.500 11H14a6 6 0 0 1 6 6v1.500"/>',
  undo: '<path d="M8 5L4 9l4 4M4.500 9H14a5.500 5.500 0 0 1 0 11H9"/>',
  copy: '<rect x="8.500" y="8.500" width="11" height="11" rx="2"/><path d="M15.500 8.500v-4h-11v11h4"/>',
  trash:
    '<path d="M4.500 6.500h15M9.500 6.500V4h5v2.500M6.500 6.500l1 14h9l1-14M10.500 10.500v6M13.500 10.500v6"/>',
  edit: '<path d="M4.500 19.500l.8-4L15.500 5.300l3.200 3.200L8.500 18.700zM13.500 7.300l3.200 3.200"/>',
  clock: '<circle cx="12" cy="12" r="8.500"/><path d="M12 7v5.300l3.500 2"/>',
  alert: '<path d="M12 4l9 16H3zM12 10v4.500M12 17.300h.01"/>',
  info: '<circle cx="12" cy="12" r="8.500"/><path d="M12 11v5.500M12 7.800h.01"/>',
  offline:
    '<path d="M3.500 3.500l17 17M5 12.500a10 10 0 0 1 4-2.400M2.500 9a14 14 0 0 1 4.500-2.800M11.500 5a14 14 0 0 1 10 4M14.800 10.400c1.600.4 3 1.100 4.200 2.100M8.500 16a5 5 0 0 1 7 0M12 19.500h.01"/>',
  lock: '<rect x="5" y="10.500" width="14" height="9.500" rx="2"/><path d="M8 10.500V8a4 4 0 0 1 8 0v2.500M12 14v2.500"/>',
  empty: '<path d="M4 13.500l3-8.500h10l3 8.500v6H4zM4 13.500h5l1 2.500h4l1-2.500h5"/>',
  settings:
    '<circle cx="12" cy="12" r="3"/><path d="M12 3.500v3M12 17.500v3M3.500 12h3M17.500 12h3M6 6l2.100 2.100M15.900 15.900L18 18M18 6l-2.100 2.100M8.100 15.900L6 18"/>',
  device: '<rect x="7" y="3" width="10" height="18" rx="2"/><path d="M11 18h2"/>',
  logout: '<path d="M14 4.500H5v15h9M10 12h10.500M17 8.500l3.500 3.500-3.500 3.500"/>',
  swap: '<path d="M5 8h13l-3-3M19 16H6l3 3"/>',
  text: '<path d="M5 6.500V5h14v1.500M12 5v14M9 19h6"/>',
  pill: '<rect x="2.500" y="8" width="19" height="8" rx="4" transform="rotate(-45 12 12)"/><path d="M9.200 9.200l5.600 5.600"/>',
  building: '<path d="M5 20.500V4h14v16.500M3 20.500h18M12 7v5M9.500 9.500h5M10 20.500v-4h4v4"/>',
  calendar:
    '<rect x="4" y="5.500" width="16" height="14.500" rx="2"/><path d="M4 10h16M8.500 3.500v4M15.500 3.500v4"/>',
  nurse:
    '<path d="M6 10l1-5.500h10l1 5.500zM12 5.500v3M10.500 7h3M7.500 10a4.500 4.500 0 0 0 9 0M4.500 20.500c.6-3.500 3-5 7.500-5s6.900 1.500 7.500 5"/>',
  flask:
    '<path d="M9.500 3.500h5M10.500 3.500v6L5 19c-.4.800.1 1.500 1 1.500h12c.9 0 1.400-.7 1-1.500l-5.500-9.500v-6M8 15h8"/>',
  heartbeat: '<path d="M2.500 12.500H7l2-5 4 10 2.500-7 1.200 2h4.800"/>',
  qr: '<path d="M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2.500v2.500H14zM17.500 17.500H20V20h-2.500zM18 14h2M14 18.500V20"/>',
  mini: '<path d="M19.500 4.500L14 10M14 5.500V10h4.500M4.500 19.500L10 14M10 18.500V14H5.500"/>',
  record: '<circle class="f" cx="12" cy="12" r="6"/>',
  place:
    '<path d="M12 21s-6.500-6-6.500-11a6.500 6.500 0 0 1 13 0c0 5-6.500 11-6.500 11z"/><circle cx="12" cy="10" r="2.300"/>',
  hand: '<path d="M8.500 12.500V6a1.300 1.300 0 0 1 2.600 0v5.500M11.100 11.500V4.800a1.300 1.300 0 0 1 2.600 0v6.700M13.700 11.500V6a1.300 1.300 0 0 1 2.600 0v6M16.300 12V8.500a1.300 1.300 0 0 1 2.600 0V15a6 6 0 0 1-6 6c-3 0-4.500-1.500-5.800-3.700L5 14a1.400 1.400 0 0 1 2.300-1.500l1.200 1.500"/>',
  gallery: '<path d="M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z"/>',
} as const

export type IconName = keyof typeof SHAPES

export const iconNames = Object.keys(SHAPES) as IconName[]

const cache = new Map<IconName, string>()

/** The icon as a data address for a CSS mask. */
export function iconUri(name: IconName): string {
  let uri = cache.get(name)
  if (uri === undefined) {
    const inside = SHAPES[name].replace(/class="f"/g, 'fill="#000"')
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#000" stroke-width="1.700" stroke-linecap="round" stroke-linejoin="round">${inside}</svg>`
    uri = `url("data:image/svg+xml,${encodeURIComponent(svg)}")`
    cache.set(name, uri)
  }
  return uri
}
