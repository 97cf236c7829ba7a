import { zh } from '@/strings'
import { prescriptionOf } from '@/logic/prescriptions'
import type { Row } from '@/logic/thread'
import { tell, toast } from '@/platform/dialog'
import { go } from '@/platform/nav'
import { openFile, playVideo } from '@/platform/open-file'
import { placeText } from '@/platform/place'
import { viewPictures } from '@/platform/viewer'
import { useLinks } from '@/stores/links'

/** Opens what a message carries; pictures among all of the room's. */
export async function openRow(row: Row, rows: readonly Row[], consultation: string): Promise<void> {
  const links = useLinks()
  try {
    if (row.kind === 'image') await openPicture(row, rows)
    else if (row.kind === 'video' && row.file) playVideo(await links.urlOf(row.file.id))
    else if (row.kind === 'file' && row.file) {
      await openFile(await links.urlOf(row.file.id), row.file.name)
    } else if (row.kind === 'card') openCard(row, consultation)
    else if (row.kind === 'location') copyPlace(row)
  } catch (error) {
    tell(error)
  }
}

function copyPlace(row: Row): void {
  const { lat, lng } = row.body as { lat: number; lng: number }
  uni.setClipboardData({
    data: `${lat},${lng}`,
    showToast: false,
    success: () => toast(`${zh.room.placeCopied} ${placeText({ lat, lng })}`),
  })
}

async function openPicture(row: Row, rows: readonly Row[]): Promise<void> {
  const links = useLinks()
  const pictures = rows.filter((one) => one.kind === 'image' && one.type === 'message')
  const urls = await Promise.all(
    pictures.map((one) =>
      one.file ? links.urlOf(one.file.id) : Promise.resolve(one.local?.preview ?? ''),
    ),
  )
  viewPictures(
    urls,
    pictures.findIndex((one) => one.key === row.key),
  )
}

function openCard(row: Row, consultation: string): void {
  const type = String(row.body.type ?? '')
  const target = String(row.body.ref ?? '')
  const number = prescriptionOf(row.body)
  if (number) {
    // The server decides by the consultation of this room whose prescription may be read.
    if (consultation) go('/pages/prescriptions/detail', { consultation, number })
    else toast(zh.prescriptions.roomOnly)
  } else if (type.includes('rating')) go('/pages/rate/index', { id: consultation || target })
  else if (type === 'order') go('/pages/orders/detail', { id: target })
  else if (type === 'doctor') go('/pages/doctor/index', { id: target })
  else if (type === 'consultation' || type.includes('closing')) {
    go('/pages/consultation/index', { id: consultation || target })
  } else toast(zh.homePage.soon)
}
