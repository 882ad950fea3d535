# 简体中文。

language-name = 中文

### 每个页面

skip = 跳到正文
nav = 页面
nav-series = 序列
nav-destinations = 目的地与发送方
nav-box = 设备
nav-log = 日志
languages = 语言
clock-synchronised = 已同步
clock-unknown = 同步状态未知
offline = 自 { $since } 起与设备失去连接。当前显示的内容可能已过时。
footer = 结果由软件生成，未经医师核实，不用于诊断。
version = Hepar { $version }

### 状态灯

light-ready = 就绪
light-loading = 正在接收；模型加载中
light-not-receiving = 无法接收：{ $reason }
light-journal-unusable = 正在接收，无法分割和发送：日志库无法写入
light-not-segmenting = 正在接收，无法分割：{ $reason }
light-self-test-failed = 上次自检未通过：结果可能有误
light-not-delivering = { $what }，自 { $since } 起；{ $waiting } 个结果等待发送，无丢失
advice-ready = 接收、分割和发送均正常。无需操作。
advice-loading = 序列已接收并保存；模型通过检查后立即开始分割。
advice-not-receiving = 已请扫描仪等待，它们会保留序列并重试；尚待发送的内容不会被删除。请联系设备工程师：设备磁盘空间不足。
advice-cannot-write = 已请扫描仪等待，它们会保留序列并重试；已接收的内容不受影响。请联系设备工程师：磁盘或其文件系统需要维护。
advice-journal-unusable = 序列已接收并保存，没有丢失；日志库可以写入后，工作会自动继续。请联系设备工程师：磁盘需要维护。
advice-not-segmenting = 序列已接收并保存，没有丢失。请联系设备工程师：模型或加速器需要维护。
advice-self-test-failed = 合成患者的结果不正确。在设备工程师检查之前，请勿依赖结果；可在“设备”页面重新运行自检。
advice-not-delivering = 没有丢失任何结果；对方恢复应答后会自动发送。请询问 PACS 管理员其是否正在运行且可以连接。

### 首页

engine-line = { $engine }，运行于 { $device }
model-line = 模型 { $model } { $version }，不用于诊断
no-model = 尚未加载模型
recent = 最近的序列
column-time = 接收时间
column-scanner = 扫描仪
column-series = 序列
column-progress = 进度
column-result = 结果
nothing-received = 尚未收到任何序列。向本设备发送 CT 序列后，将显示在这里。
anyone-may-send = 网络上任何人都可以发送：尚未配置发送方。
series-untitled = 无描述的序列
accession = 检查号 { $number }
state-receiving = 接收中
state-queued = 等待引擎
state-segmenting = 分割中
state-delivering = 发送中
state-delivered = 完成
state-ignored = 已忽略
state-refused = 已拒绝
state-failed = 失败
step-received = 已接收 { $n }
step-received-of = 已接收 { $n }/{ $of }
step-received-announced = 已接收 { $n }，设备声明 { $of }
step-segmented = 已分割 { $n }/{ $of }
step-not-sent = 尚未发送
step-sending = 已发送 { $n }/{ $of }
step-sent = 已发送 { $n }/{ $of }
step-committed = 已发送 { $n }/{ $of }，已承诺保存
step-kept = 保存在本机
row-result = 肝脏 { $liver } ml，{ $lesions ->
        [0] 未发现病灶
       *[other] { $lesions } 个病灶，{ $tumour } ml
    }
row-after = 最后一层之后 { $seconds } 秒
todo-refused = 该序列无法得出正确结果。如果该扫描有其他重建序列，请发送另一个。
todo-resend = 请从扫描仪重新发送该序列。
todo-service = 请联系设备工程师。序列已保存，可以重新分割。
todo-send-again = 请就上述应答询问 PACS 管理员，然后打开该序列并重新发送结果。
todo-undelivered = 无需操作：目的地恢复应答后会自动发送。
todo-commitment = 请联系 PACS 管理员：归档系统已有结果，但没有承诺保存。在其承诺之前，切片和结果保留在本机。
todo-commitment-wait = 无需操作：将自动再次请求，在此之前切片和结果保留在本机。
todo-wait = 将自动重试。
set-apart = 已保存但无法读取
set-apart-explained = 这些对象已接收并保存，但无法读取。如果持续出现，请联系扫描仪售后。
column-instance = 对象
column-why = 原因

### 故障种类

trouble-of = { $name }：{ $trouble }
trouble-not-segmentable = 这些不是轴位 CT 图像
trouble-too-few-slices = 层数太少，不能构成容积
trouble-mixed-slices = 混有大小、间距或参考坐标系不同的层
trouble-rotated-slices = 各层之间有旋转
trouble-coincident-slices = 多幅图像位于同一位置，无法区分
trouble-unreadable-slices = 图像无法解码
trouble-gates = 有检查项拒绝给出结果
trouble-engine = 引擎出错
trouble-golden-check = 引擎未通过模型的标准检验
trouble-model = 模型无法使用
trouble-crashed = 处理该序列时程序出错
trouble-ended-the-process = 该序列不止一次使程序中断
trouble-file = 无法读写本设备上的文件
trouble-disk-full = 磁盘已满
trouble-journal = 日志库无法写入
trouble-encoding = 无法将结果写成 DICOM 对象
trouble-not-delivered = 结果未能送达
trouble-unreachable = 无法连接
trouble-tls = 无法建立加密连接
trouble-stopping = 设备正在停止；下次启动后再发送
trouble-association-refused = 对方拒绝关联
trouble-class-not-taken = 对方不接收此类对象
trouble-error-status = 对方返回错误
trouble-aborted = 对方中止了关联
trouble-timed-out = 对方未及时应答
trouble-connection-broken = 连接中断
trouble-protocol-violated = 对方违反协议
trouble-not-sendable = 无法读取待发送的文件
trouble-sending-crashed = 发送时程序出错
trouble-not-configured = 配置中已没有该目标
trouble-not-committed = 归档系统表示没有保存已接收的对象
trouble-commitment-not-reported = 归档系统没有答复存储承诺请求

### 应当知晓的情况

notice-journal-rebuilt = 日志库已损坏（{ $why }）。原文件保留为 { $kept-as }，已重建。
notice-journal-unusable = 日志库无法使用（{ $why }）。工作暂停等待。
notice-instances-missing = { $n ->
       *[other] 已保存的 { $n } 个实例在磁盘上已不存在。
    }
notice-model-choice-unreadable = 无法读取所选的模型（{ $why }）。
notice-model-replaced = 模型 { $model } 无法使用（{ $why }）；现由另一个模型代替运行。
notice-engine-replaced = 引擎 { $engine } 无法使用（{ $why }）；现由 tract 代替运行。
notice-audit-not-sent = 审计记录无法送达 { $server }：{ $why }。记录保留在本机。
notice-declined = { $destination } 不接收 { $class }：{ $why }
notice-commitment-not-taken = { $destination } 不接受存储承诺请求：{ $why }。在其接受之前，相关序列保留在本机。请 PACS 管理员为本机启用存储承诺（Storage Commitment），或将该目的地的 storage-commitment 设为 false。
notice-not-committed = { $destination } 对已存储的 { $n ->
       *[other] { $n } 个对象
    }始终没有承诺保存，尽管已多次请求；这些对象保留在本机。请询问 PACS 管理员归档系统是否保存了它们，以及是否知道用于答复的本机 AE 标题、主机和端口。
notice-certificate-expired = { $use }的证书已于 { $day } 过期：请更换并重新启动
notice-certificate-to-come = { $use }的证书在 { $day } 之前无效：请检查时钟，或更换证书
notice-certificate-ending = { $use }的证书将于 { $day } 过期，还剩 { $days ->
       *[other] { $days } 天
    }：请申请新证书
notice-sends-in-pieces = { $caller } 分多次发送序列：结果需等待静默期
notice-contradicts = { $caller } 发送了 { $n ->
       *[other] { $n } 个
    }与先前实例或自身相矛盾的实例
certificate-of-page = 本页面
certificate-of-listener = DICOM 接收端口
certificate-of-destination = 向目的地 { $name } 出示
certificate-of-syslog = 向 syslog 服务器出示
not-receiving-disk-full = 磁盘已满（剩余 { $free } MB）
not-receiving-cannot-write = 磁盘无法写入

### 序列

series-of = 来自 { $scanner } 的序列
result = 结果
timeline = 时间线
moment-first = 收到来自 { $scanner }（{ $address }）的第一层
moment-last = 最后一层：共收到 { $n } 个对象
moment-latest = 最近一层：目前 { $n } 个对象
moment-complete = 接收完整；等待引擎
moment-result = 结果已生成
moment-delivered = { $object }已由 { $destination } 存储
moment-commitment-due = { $object }：无法向 { $destination } 请求存储承诺
moment-commitment-asked = { $object }：已向 { $destination } 请求存储承诺
moment-committed = { $object }已由 { $destination } 承诺保存
moment-commitment-refused = { $object }：{ $destination } 没有承诺保存
moment-next-attempt = { $object }：下一次尝试连接 { $destination }
object-seg = 分割结果
object-report = 报告
object-preview = 图片
column-object = 对象
pictures = 图像
slice-of = 第 { $slice } 层，共 { $slices } 层，自足侧起
slice-label = 层
previous = 上一层
next = 下一层
window-liver = 肝窗
window-soft = 软组织窗
window-lung = 肺窗
window-bone = 骨窗
windows = 窗
contours = 橙色：肝脏边缘。粉色：病灶边缘。仅供定位，不用于诊断。
lesions = 病灶
no-lesions = 未发现病灶。
column-number = 编号
column-volume = 体积
column-longest = 层内最长径
column-slices = 层
column-centre = 中心（LPS）
gates = 检查
gates-explained = 给出结果之前要问的问题。拒绝项会阻止结果；警告项随结果一并给出。
gates-not-asked = 未检查，因为模型没有相应的限值：
column-check = 检查
column-measured = 测量值
column-usual = 通常范围
column-accepted = 可接受范围
outcome-pass = 通过
outcome-warn = 警告
outcome-refuse = 拒绝
geometry = 几何
geometry-spacing = 层、行、列间距
geometry-none = 层堆叠没有异常。
unreadable = { $n } 层无法解码，已排除
delivered-to = 目的地
column-destination = 目的地
column-state = 状态
column-attempts = 尝试次数
column-last-error = 最近应答
delivery-waiting = 等待中
delivery-delivered = 已存储
delivery-failed = 已放弃
delivery-superseded = 已被新结果取代
delivery-declined = 该目的地不接收
commitment-due = 尚未请求存储承诺
commitment-asked = 已请求存储承诺
commitment-committed = 已承诺保存
commitment-refused = 未承诺保存
kept-here = 没有配置目的地：结果保存在本机。
about = 详情
about-uid = 序列实例 UID
about-study = 检查实例 UID
about-modality = 模态
about-made-by = 生成者
purged = 图像与结果已按保留策略删除；仅存此记录。
download-seg = 下载 SEG
download-result = 下载 result.json
contradicted = 以不同内容再次收到
contradicted-explained = 采用先收到的内容；其余另行保存。请询问扫描仪售后，为何同一 UID 对应不同对象。
contradicted-times = { $n ->
       *[other] { $n } 次
    }
set-apart-meanwhile = 接收本序列期间另存的对象
set-apart-meanwhile-explained = 同一扫描仪的这些对象无法读取；缺失的层可能在其中。
cancel = 取消
order-send-again = 重新发送
order-send-again-explained = 以相同的标识符再次发送结果。已有该结果的目的地只保留一份。
order-segment-again = 重新分割
order-segment-again-explained = 用当前安装的模型再次分割。如果结果与目的地已有的不同，则会发送。

### 检查项，按代码。$outcome 为 pass、warn 或 refuse

gate-header = { $outcome ->
        [pass] 采集的 CT 图像，可换算为亨氏单位
       *[other] 图像经有损压缩：小病灶可能已丢失
    }
gate-numeric = { $outcome ->
        [pass] 所有图像均可解码
       *[other] 无法解码而略去的图像：{ $measured }
    }
gate-hu-air = { $outcome ->
        [pass] 空气的数值正常
        [warn] 视野内没有空气
       *[refuse] 空气的数值不符合亨氏单位：重缩放截距是否有误？
    }
gate-hu-fat = { $outcome ->
        [pass] 可见脂肪
       *[other] 几乎没有脂肪
    }
gate-hu-soft-tissue = { $outcome ->
        [pass] 软组织的数值正常
       *[other] 亨氏单位范围内没有软组织
    }
gate-geometry-slices = 共 { $measured } 层
gate-geometry-orientation = 层面偏离轴位 { $measured } 度
gate-geometry-step = 层间距 { $measured } mm
gate-geometry-gaps = { $outcome ->
        [pass] 没有缺层
       *[other] 有缺层或未采用的层面：体积为下限
    }
gate-geometry-even = { $outcome ->
        [pass] 层间距均匀
       *[other] 层间距不均匀
    }
gate-body-region = { $value ->
        [0] 序列中没有肝脏
       *[other] 序列中有 { $measured } mm 显示肝脏
    }
gate-liver-volume = 肝脏 { $measured } ml
gate-liver-one-piece = 疑似肝脏的 { $percent } % 连成一体
gate-liver-extent = 肝脏跨度 { $measured } mm
gate-liver-side = 肝脏位于图像中心偏患者右侧 { $measured } mm
gate-liver-cut = { $outcome ->
        [pass] 肝脏完整成像
       *[other] 肝脏触及模型所见范围的边缘：其体积为下限
    }
gate-contrast-phase = { $outcome ->
        [pass] 肝脏有增强：{ $measured } HU
       *[other] 肝脏未达门静脉期增强（{ $measured } HU）：肿瘤更难发现
    }
gate-certainty = { $outcome ->
        [pass] 模型的确定程度与测试用肝脏相同
       *[other] 模型对该肝脏的确定程度低于测试用肝脏
    }
gate-embedding-distance = { $outcome ->
        [pass] 图像与模型训练所用的图像相似
       *[other] 图像与模型训练所用的图像不同
    }
gate-organ-agreement = { $outcome ->
        [pass] 图像稍作平移后，模型找到同一肝脏
       *[other] 图像稍作平移后，模型找到的肝脏不同
    }
gate-lesion-share = 病灶占肝脏的 { $percent } %
gate-lesion-count = 病灶数：{ $measured }
gate-lesion-size = 过小而不确定的病灶：{ $measured }

### 目的地与发送方

no-destination = 没有配置目的地：结果保存在本机，可从各序列的页面下载。
destination-works = 接收正常
destination-untried = 尚未发送过任何内容
destination-failing = 自 { $since } 起失败
destination-failing-advice = 结果已保存并会自动重试。请询问 PACS 管理员。
ae-title = AE 标题
address = 地址
last-success = 最近成功
queue = 队列
objects-waiting = { $n ->
        [0] 没有等待的对象
       *[other] { $n } 个对象等待中
    }
callers = 发送方
callers-in-pieces = 已知以下发送方分多次发送序列，其结果需等待静默期：{ $callers }
no-caller = 启动以来没有发送方连接。
column-last-seen = 最近连接
column-implementation = 实现
column-negotiated = 协商结果
in-pieces = 分多次发送序列：结果需等待静默期
associations = 启动以来 { $n } 次关联
contexts = { $proposed } 个表示上下文中接受了 { $accepted } 个
refused-callers = 被拒绝的发送方
refused-times = 启动以来 { $n } 次
called-otherwise = 它呼叫本设备为 { $called }，但本设备是 { $ours }：请在扫描仪上更正被叫 AE 标题。
snippet-explained = 如果这是您的扫描仪，请在配置中添加：

### 登录与退出

login = 登录
login-name = 用户名
login-password = 密码
login-wrong = 用户名或密码错误。
login-wait = 登录失败次数过多。请在 { $seconds } 秒后重试。
login-busy = 同时登录的人数过多，请重试。
logout = 退出
account = 账户
password-change = 更改密码
password-must-change = 此密码为一次性密码。请设置您自己的密码以继续。
password-current = 当前密码
password-new = 新密码
password-rule = 至少 10 个字符。一句话比难记的符号更好。
password-repeated = 再次输入新密码
password-same = 新密码与旧密码相同。
password-differs = 两次输入的新密码不一致。
password-short = 新密码太短。
password-name = 密码不能与用户名相同。
password-unusable = 不能用作密码。
password-not-kept = 密码未能保存，旧密码仍然有效。
patient = 患者 { $name }，编号 { $id }

### The box

destination-test = 测试
destination-test-objects = 同时发送一份模拟患者的结果
box-self-test = 自检
box-self-test-never = 尚未运行过自检。
box-self-test-runs = 自检正在运行。
box-self-test-outcome = { $outcome ->
        [passed] 通过
       *[other] 未通过：请联系医学工程师
    }（{ $at }，{ $seconds } 秒）
box-self-test-begin = 立即自检
box-self-test-explained = 肝脏已知的合成患者通过整个流程。不会向 PACS 发送任何内容，患者的序列优先。
box-heat = 温度与电源
box-slowed = 因过热或供电而降速
box-power-alarms = 电流超限
box-throttle-events = 开机以来降速次数：{ $cause }
box-power-mode = 功率模式
box-fan = 风扇
box-load = 负载
box-cpu = 处理器
box-cores = { $cores ->
       *[other] { $cores } 核
    }
box-load-average = 1、5、15 分钟平均负载
box-gpu = 加速器
box-memory-free = 可用内存
box-memory-own = 服务占用内存
box-disk = 磁盘
box-disk-free = 可用
box-disk-lasts = 按当前速度还可用
box-disk-lasts-unknown = 未在增长
box-disk-hours = { $hours ->
       *[other] { $hours } 小时
    }
box-network = 网络
box-link-up = 已连接
box-link-down = 未连接
box-traffic = 接收 { $received }，发送 { $sent }，{ $errors ->
       *[other] { $errors } 个错误
    }
box-system = 系统
box-model = 主板
box-engine = 引擎
box-bundle = 模型
version-kernel = 内核
version-system = 操作系统
box-uptime = 已运行
box-uptime-words = { $days ->
        [0] { $hours } 小时 { $minutes } 分钟
       *[other] { $days } 天 { $hours } 小时 { $minutes } 分钟
    }
box-clock = 时钟
box-clock-not-synchronised = 未同步
box-certificates = 证书
box-certificate = { $name }，有效期至 { $day }
box-certificate-fingerprint = SHA-256 { $fingerprint }
box-support = 支持包（不含患者数据）

### A destination tried out

trial-works = 对方有应答。
trial-fails = 目前还不能使用。

### The log

log-level = 级别
log-text = 文本
log-show = 显示
log-line = 内容
column-moment = 时间
log-nothing = 没有这样的记录。

### 用户

users = 用户
users-role = 角色
users-last-login = 最近登录
users-remarks = 备注
users-no-login = 启动以来未登录
users-locked = 登录失败次数过多，已锁定，剩余 { $minutes } 分钟
users-one-time = 尚未更换一次性密码
users-not-asked = 本页面仅供本设备使用，无需登录。
users-explained = 用户须在设备本机上添加。命令输出的密码须在首次登录时更换；更改立即生效。
users-roles = 查看者可查看页面。技师还可重新发送和重新分割、进行测试，以及下载含患者信息的分割结果。管理员还可查看日志、获取支持包以及查看本页面。
role-viewer = 查看者
role-technician = 技师
role-administrator = 管理员
