import { account } from './account'
import { booking } from './booking'
import { catalogue } from './catalogue'
import { check } from './check'
import { clinic } from './clinic'
import { common } from './common'
import { consultation } from './consultation'
import { notices } from './notices'
import { medication } from './medication'
import { members } from './members'
import { patient } from './patient'
import { practice } from './practice'
import { recordings } from './recordings'
import { reports } from './reports'
import { rights } from './rights'
import { room } from './room'
import { security } from './security'
import { signing } from './signing'
import { talks } from './talks'

/** Every text of the app, in simplified Chinese. */
export const zh = {
  common,
  ...account,
  ...booking,
  ...catalogue,
  ...check,
  ...clinic,
  ...notices,
  ...patient,
  ...practice,
  ...consultation,
  ...recordings,
  ...reports,
  ...rights,
  ...room,
  ...medication,
  ...members,
  ...talks,
  ...security,
  ...signing,
} as const
