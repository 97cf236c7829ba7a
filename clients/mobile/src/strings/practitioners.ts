/** What differs in words between those who lead consultations. */
export const practitioners = {
  practitioners: {
    doctor: {
      home: '医生主页',
      services: '选择问诊方式',
      introduction: '医生简介',
      note: '复诊只面向曾在医院就诊过的患者；咨询只提供建议，不做诊断、不开处方。急重症请到医院。',
    },
    pharmacist: {
      home: '药师主页',
      services: '选择问药方式',
      introduction: '药师简介',
      note: '药师只提供用药指导，不做诊断、不开处方。服药后严重不适请立即就医。',
    },
    nurse: {
      home: '护士主页',
      services: '护理咨询',
      introduction: '护士简介',
      note: '护士只提供护理指导，不做诊断、不开处方。病情加重或急重症请立即就医。',
    },
  },
} as const
